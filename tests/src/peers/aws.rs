use std::sync::Arc;

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use reqwest::Client;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answers;
use crate::{
    paths::{free_port, python_program, run_dir},
    process::Process,
    serve::Served,
    tls::client,
};

/// ECR and STS (moto), behind a small proxy that keeps what was asked and can refuse it.
///
/// The ECR token of account `123456789012` is `AWS` with the password `123456789012-auth-token`, so it tells whose
/// credentials asked for it.
pub struct Aws {
    /// Lives as long as this.
    _moto: Process,
    proxy: Served,
    front: Arc<Front>,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GetAuthorizationToken`, `AssumeRole`, …
    pub action: String,
    /// The fields of STS' form; empty for ECR.
    pub fields: Vec<(String, String)>,
}

impl Call {
    /// A field of STS' form.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(key, _)| key == name)?;
        Some(value)
    }
}

struct Front {
    moto: String,
    client: Client,
    calls: Mutex<Vec<Call>>,
    refused: Mutex<Option<(String, String)>>,
    password: Mutex<Option<String>>,
}

impl Aws {
    /// Starts both.
    pub async fn start(name: &str) -> Result<Self> {
        let port = free_port()?.to_string();
        let args = ["-H", "127.0.0.1", "-p", &port];
        let moto = Process::start(
            name,
            &run_dir(name)?,
            &python_program("moto_server"),
            args,
            &[("PYTHONUNBUFFERED", "1")],
        )?;
        let front = Arc::new(Front {
            moto: format!("http://127.0.0.1:{port}"),
            client: client(None)?,
            calls: Mutex::default(),
            refused: Mutex::default(),
            password: Mutex::default(),
        });
        answers(&moto, &front.client, &format!("{}/moto-api/", front.moto)).await?;
        let routes = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&front));
        let proxy = Served::start(routes, None).await?;
        Ok(Self {
            _moto: moto,
            proxy,
            front,
        })
    }

    /// The endpoint of both services.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// All calls of this action, in their order.
    pub fn calls(&self, action: &str) -> Vec<Call> {
        let calls = self.front.calls.lock();
        calls
            .iter()
            .filter(|call| call.action == action)
            .cloned()
            .collect()
    }

    /// Refuses an action with this code of AWS; `None` lets all through again.
    pub fn refuse(&self, refused: Option<(&str, &str)>) {
        *self.front.refused.lock() =
            refused.map(|(action, code)| (action.to_owned(), code.to_owned()));
    }

    /// Gives this password out in place of moto's, which never changes.
    pub fn change_password(&self, password: &str) {
        *self.front.password.lock() = Some(password.to_owned());
    }
}

async fn forward(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = call(&headers, &body);
    let action = call.action.clone();
    front.calls.lock().push(call);
    let refused = front.refused.lock().clone();
    if let Some((_, code)) = refused.filter(|(refused, _)| *refused == action) {
        return refusal(&action, &code);
    }
    match ask(&front, method, &uri, headers, body).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// What a request asks for, in ECR's protocol (a header) or in STS' (a form).
fn call(headers: &HeaderMap, body: &[u8]) -> Call {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.rsplit('.').next());
    let mut fields: Vec<(String, String)> = Vec::new();
    if target.is_none() {
        fields.extend(form_urlencoded::parse(body).into_owned());
    }
    let named = fields.iter().find(|(key, _)| key == "Action");
    Call {
        action: target
            .or(named.map(|(_, value)| value.as_str()))
            .unwrap_or_default()
            .to_owned(),
        fields,
    }
}

async fn ask(
    front: &Front,
    method: Method,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    headers.remove("host");
    let url = format!("{}{uri}", front.moto);
    let request = front.client.request(method, url).headers(headers);
    let answer = request.body(body).send().await?;
    let (status, kind) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let mut body = answer.bytes().await?;
    if let Some(password) = &*front.password.lock()
        && let Ok(mut answer) = serde_json::from_slice::<Value>(&body)
        && let Some(data) = answer.pointer_mut("/authorizationData/0")
    {
        data["authorizationToken"] = STANDARD.encode(format!("AWS:{password}")).into();
        body = answer.to_string().into();
    }
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .extend(kind.map(|kind| (CONTENT_TYPE, kind)));
    Ok(response)
}

/// A refusal in the words of the service.
fn refusal(action: &str, code: &str) -> Response {
    if action == "GetAuthorizationToken" {
        let body = json!({"__type": code, "message": "refused by the test"});
        return (
            StatusCode::BAD_REQUEST,
            [(CONTENT_TYPE, "application/x-amz-json-1.1")],
            body.to_string(),
        )
            .into_response();
    }
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>refused by the test</Message></Error>\
         <RequestId>0</RequestId></ErrorResponse>"
    );
    (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "text/xml")], body).into_response()
}
