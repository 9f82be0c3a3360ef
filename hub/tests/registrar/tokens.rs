//! Token endpoints that are not FlyteAdmin's own.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use flyte_registration_hub::registrar::AuthConfig;
use flyteadmin_emulator::Options;
use parking_lot::Mutex;

use super::auth::{Guarded, guarded, options};

/// Serves a token endpoint, and says where.
async fn endpoint(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token?tenant=a", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// A FlyteAdmin whose tokens come from an endpoint with this answer, and its URL.
async fn answering(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Guarded {
    let url = endpoint(Router::new().route("/token", post(async move || answer))).await;
    guarded(&options(), |auth| auth.token_url = Some(url)).await
}

#[tokio::test]
async fn those_that_refuse_the_header_get_the_form_from_then_on() {
    let forms = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&forms);
    let answer = async move |headers: HeaderMap, form: Bytes| -> Response {
        seen.lock().push(String::from_utf8(form.to_vec()).unwrap());
        if headers.contains_key(header::AUTHORIZATION) {
            let body = r#"{"error": "invalid_client"}"#;
            return (StatusCode::UNAUTHORIZED, body).into_response();
        }
        // FlyteAdmin does not take it, so that another one is asked for.
        r#"{"access_token": "a.b.c", "expires_in": 3600}"#.into_response()
    };
    let url = endpoint(Router::new().route("/token", post(answer))).await;
    let configured = |auth: &mut AuthConfig| {
        auth.token_url = Some(url);
        auth.scopes = vec!["all".to_owned(), "api://flyte/x".to_owned()];
        auth.audience = Some("https://flyte".to_owned());
    };
    let guarded = guarded(&options(), configured).await;
    let message = guarded.failure("v1").await;
    assert!(message.contains("illegal base64"), "{message}");
    let forms = forms.lock();
    let asked = "grant_type=client_credentials&scope=all+api%3A%2F%2Fflyte%2Fx&audience=https%3A%2F%2Fflyte";
    assert_eq!(forms[0], asked);
    let client = "&client_id=hub&client_secret=s3cret+%2B%26%25%3A%C3%BC";
    assert!(forms.len() > 2);
    assert!(
        forms[1..]
            .iter()
            .all(|form| *form == format!("{asked}{client}"))
    );
}

#[tokio::test]
async fn tokens_that_are_of_no_use() {
    let long = format!(r#"{{"access_token": "{}"}}"#, "x".repeat(100_000));
    let wide = format!(r#"{{"access_token": "{}"}}"#, "x".repeat(20_000));
    for (answer, problem) in [
        (
            r#"{"access_token": "t0ken", "scope": ""}"#,
            "it has no scope",
        ),
        (
            r#"{"access_token": "t0ken", "token_type": "mac"}"#,
            "it is no bearer token",
        ),
        (r#"{"access_token": ""}"#, "the answer holds none"),
        ("<html>", "the answer holds none"),
        (
            r#"{"access_token": "t0ken\n"}"#,
            "it cannot stand in a header",
        ),
        (long.as_str(), "the answer is too long"),
        (wide.as_str(), "it is too long"),
    ] {
        let guarded = answering(answer.to_owned()).await;
        let message = guarded.failure("v1").await;
        assert!(message.contains(problem), "{message}");
        assert!(
            !message.contains("t0ken") && !message.contains("tenant"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn nobody_else_is_sent_the_secret() {
    let taken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&taken);
    let thief = endpoint(Router::new().route("/token", post(async move || *count.lock() += 1)));
    let thief = thief.await;
    let router = Router::new().route("/token", post(async move || Redirect::temporary(&thief)));
    let url = endpoint(router).await;
    let guarded = guarded(&options(), |auth| auth.token_url = Some(url)).await;
    let message = guarded.failure("v1").await;
    assert!(message.contains("answers 307"), "{message}");
    assert_eq!(*taken.lock(), 0);
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_asked_again_later() {
    let guarded = answering((StatusCode::SERVICE_UNAVAILABLE, "s3cret")).await;
    let message = guarded.failure("v1").await;
    assert!(
        message.contains("answers 503") && !message.contains("s3cret"),
        "{message}"
    );
    assert_eq!(
        guarded.peer.registrar.load().limit,
        8,
        "that is no strain of FlyteAdmin's"
    );
}

/// What stands before FlyteAdmin may ask for tokens that FlyteAdmin knows nothing of.
#[tokio::test]
async fn where_flyteadmin_says_nothing_the_configuration_does() {
    let answer = r#"{"access_token": "opaque", "expires_in": "3600"}"#;
    let url = endpoint(Router::new().route("/token", post(async move || answer))).await;
    let configured = |auth: &mut AuthConfig| {
        auth.token_url = Some(url.clone());
        auth.scopes = vec!["all".to_owned()];
    };
    let with_scope = guarded(&Options::default(), configured).await;
    assert_eq!(with_scope.register("v1").await.failure, None);

    let without = guarded(&Options::default(), |auth| {
        auth.token_url = Some(url.clone());
    })
    .await;
    let message = without.failure("v1").await;
    assert!(message.contains("set auth.scopes"), "{message}");
}
