//! The recording of a server with authentication: HTTP beside gRPC, and tokens.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use flyteadmin_emulator::{Emulator, Options, auth::PROVIDER};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::texts;
use crate::replay;

/// Clients and life of tokens as in the recording.
fn options(recording: &Value) -> Options {
    let clients = recording["server"]["staticClients"].as_object();
    let clients = clients.expect("clients").iter().map(|(id, client)| {
        let secret = client["secret"].as_str().expect("a secret");
        let client = format!("{id}:{secret}:{}", texts(&client["scopes"]).join(","));
        client.parse().expect("a client")
    });
    Options {
        auth: true,
        clients: clients.collect(),
        token_seconds: 5,
        ..Options::default()
    }
}

/// The answers to all steps, in the form of the recording.
pub async fn all(recording: &Value) -> Vec<Value> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let emulator = Emulator::start(&options(recording)).await.expect("a start");
    let channel = replay::channel(emulator.grpc).await;
    let client = Client::new();
    let mut answers = Vec::new();
    for step in recording["steps"].as_array().expect("steps") {
        let token = token(step, &emulator, &client).await;
        let answer = if step["http"].is_null() {
            replay::one(step, &channel, &token).await
        } else {
            http(step, emulator.http, &client, &token).await
        };
        answers.push(with_placeholders(&answer, emulator.http));
    }
    answers
}

/// The token that a step needs, which only its description tells.
async fn token(step: &Value, emulator: &Emulator, client: &Client) -> String {
    let ask = async |id: &str, scope: &str| {
        let secret = "client_secret=conformance-secret";
        let form = format!("grant_type=client_credentials&client_id={id}&{secret}{scope}");
        let url = format!("http://{}/oauth2/token", emulator.http);
        let answer = client.post(url).body(form).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    };
    match step["name"].as_str().expect("a name") {
        "create-task-narrow-token" => ask("narrow", "&scope=offline").await,
        "create-task-no-scope-token" => ask("narrow", "").await,
        "create-task-forged-token" => later(&ask("conformance", "&scope=all").await),
        "create-task-expired-token" => {
            let token = ask("conformance", "&scope=all").await;
            let authority = emulator.authority().expect("authentication");
            authority.forward(Duration::from_secs(10));
            token
        }
        _ => ask("conformance", "&scope=all").await,
    }
}

/// The token with a later expiry under the old signature.
fn later(token: &str) -> String {
    let parts: Vec<_> = token.split('.').collect();
    let mut claims = decoded(parts[1]);
    claims["exp"] = json!(claims["exp"].as_u64().expect("an expiry") + 3600);
    let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{}.{claims}.{}", parts[0], parts[2])
}

fn decoded(part: &str) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn http(step: &Value, address: SocketAddr, client: &Client, token: &str) -> Value {
    let recorded = &step["http"]["request"];
    let method = recorded["method"].as_str().expect("a method");
    let method: Method = method.parse().expect("a method");
    let path = recorded["path"].as_str().expect("a path");
    let mut request = client.request(method, format!("http://{address}{path}"));
    for (name, value) in recorded["headers"].as_object().expect("headers") {
        let value = value.as_str().expect("text").replace("<token>", token);
        request = request.header(name, value);
    }
    if let Some(form) = recorded["form"].as_object() {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in form {
            let value = value.as_str().expect("text");
            body.append_pair(name, &value.replace("<http>", &format!("http://{address}")));
        }
        request = request.body(body.finish());
    }
    let answer = request.send().await.expect("an answer");
    let mut response = json!({"status": answer.status().as_u16(), "headers": {}});
    // Of the headers only those count that were recorded.
    let headers = step["http"]["response"]["headers"].as_object();
    for name in headers.expect("headers").keys() {
        let value = answer.headers().get(name).and_then(|one| one.to_str().ok());
        response["headers"][name] = json!(value);
    }
    let body = answer.text().await.expect("a body");
    let mut body: Value = serde_json::from_str(&body).unwrap_or(json!(body));
    if let Some(token) = body.get_mut("access_token") {
        let text = token.as_str().expect("text").to_owned();
        let parts: Vec<_> = text.split('.').collect();
        response["token"] = json!({"header": decoded(parts[0]), "claims": decoded(parts[1])});
        *token = json!("<token>");
    }
    response["body"] = body;
    json!({"name": step["name"], "http": {"request": recorded, "response": response}})
}

fn with_placeholders(answer: &Value, http: SocketAddr) -> Value {
    let text = answer.to_string().replace(PROVIDER, "<oidc>");
    let text = text.replace(&format!("http://{http}"), "<http>");
    serde_json::from_str(&text).expect("JSON")
}
