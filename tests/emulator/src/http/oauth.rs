//! What the real server has on its HTTP port where authentication is on.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{auth, auth::Authority, counters::Call, grpc::Shared};

/// Requests for tokens are counted under this name.
const TOKEN: &str = "oauth2/token";

type Front = State<(Arc<Shared>, Arc<Authority>)>;

/// The routes.
pub(super) fn router(shared: Arc<Shared>, authority: Arc<Authority>) -> Router {
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(async |State((_, authority)): Front| Json(metadata(&authority))),
        )
        .route(
            "/config/v1/flyte_client",
            get(async || Json(public_client())),
        )
        .route("/healthcheck", get(async || ()))
        .route("/oauth2/token", any(token))
        .route("/api/v1/{what}", get(api))
        .with_state((shared, authority))
}

fn metadata(authority: &Authority) -> Value {
    let metadata = authority.metadata();
    json!({
        "authorizationEndpoint": metadata.authorization_endpoint,
        "codeChallengeMethodsSupported": metadata.code_challenge_methods_supported,
        "deviceAuthorizationEndpoint": metadata.device_authorization_endpoint,
        "grantTypesSupported": metadata.grant_types_supported,
        "issuer": metadata.issuer,
        "jwksUri": metadata.jwks_uri,
        "responseTypesSupported": metadata.response_types_supported,
        "scopesSupported": metadata.scopes_supported,
        "tokenEndpoint": metadata.token_endpoint,
        "tokenEndpointAuthMethodsSupported": metadata.token_endpoint_auth_methods_supported,
    })
}

fn public_client() -> Value {
    let client = Authority::public_client();
    json!({
        "audience": client.audience,
        "authorizationMetadataKey": client.authorization_metadata_key,
        "clientId": client.client_id,
        "redirectUri": client.redirect_uri,
        "scopes": client.scopes,
        "serviceHttpEndpoint": client.service_http_endpoint,
    })
}

async fn token(
    State((shared, authority)): Front,
    method: Method,
    headers: HeaderMap,
    form: Bytes,
) -> Response {
    let flight = shared.counters.start(Call {
        rpc: TOKEN.to_owned(),
        ..Call::default()
    });
    let authorization = text(&headers, "authorization");
    let (code, status, body) = match authority.grant(method.as_str(), authorization, &form) {
        Ok(granted) => (
            Code::Ok,
            StatusCode::OK,
            json!({
                "access_token": granted.token,
                "expires_in": granted.expires_in,
                "scope": granted.scope,
                "token_type": "bearer",
            }),
        ),
        Err(refused) => (
            match refused.status {
                401 => Code::Unauthenticated,
                _ => Code::InvalidArgument,
            },
            StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST),
            json!({"error": refused.error, "error_description": refused.description}),
        ),
    };
    flight.end(code);
    let headers = [
        ("cache-control", "no-store"),
        ("content-type", "application/json;charset=UTF-8"),
        ("pragma", "no-cache"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// The little of the JSON gateway that was recorded.
async fn api(
    State((shared, authority)): Front,
    Path(what): Path<String>,
    headers: HeaderMap,
) -> Response {
    let header = text(&headers, "authorization").or_else(|| text(&headers, auth::HEADER));
    if let Err(error) = authority.check_header(header) {
        let headers = [("www-authenticate", error.message.clone())];
        let body = json!({"code": error.code as i32, "details": [], "message": error.message});
        return (StatusCode::UNAUTHORIZED, headers, Json(body)).into_response();
    }
    if what != "domains" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = shared.admin.get_domains();
    let domains = answer.domains.into_iter();
    let domains: Value = domains
        .map(|domain| json!({"id": domain.id, "name": domain.name}))
        .collect();
    Json(json!({"domains": domains})).into_response()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
