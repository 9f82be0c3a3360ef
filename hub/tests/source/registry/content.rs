//! What is in the registry, and who gets it.

use std::collections::HashMap;

use axum::body::Bytes;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_hub::source::Digest;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::{Access, Answer, Asked, Fault, File, USER};

#[derive(Default)]
pub(super) struct Content {
    pub files: HashMap<String, File>,
    pub manifests: HashMap<(String, String), Bytes>,
    pub blobs: HashMap<(String, String), Bytes>,
    pub access: Access,
    pub password: String,
    /// Tokens with another number are not valid any more.
    pub token_number: usize,
    /// What a request whose path contains the text gets, that often.
    pub faults: Vec<(&'static str, usize, Fault)>,
    pub log: Vec<Asked>,
}

impl Content {
    pub fn take_fault(&mut self, path: &str) -> Option<Fault> {
        let (_, times, fault) = self
            .faults
            .iter_mut()
            .find(|(part, times, _)| *times > 0 && path.contains(part))?;
        *times -= 1;
        Some(fault.clone())
    }

    pub fn handle(
        &mut self,
        authority: &str,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer {
        let authorization = headers
            .get("authorization")
            .and_then(|header| header.to_str().ok())
            .unwrap_or_default();
        let basic = format!(
            "Basic {}",
            STANDARD.encode(format!("{USER}:{}", self.password))
        );
        let token = format!("Bearer token-{}", self.token_number);
        let challenge = match self.access {
            Access::Basic if authorization != basic => "Basic realm=\"fake\"".to_owned(),
            Access::Token | Access::PublicToken if path.starts_with("/token") => {
                let public = matches!(self.access, Access::PublicToken);
                if !public && authorization != basic {
                    return (401, vec![], Bytes::new());
                }
                let token = format!("token-{}", self.token_number);
                let answer = json!({"token": token, "access_token": token, "expires_in": 300});
                return (200, vec![], answer.to_string().into());
            }
            Access::Token | Access::PublicToken if authorization != token => {
                format!("Bearer realm=\"http://{authority}/token\",service=\"fake\"")
            }
            _ => return self.serve(method, path, headers, body),
        };
        (401, vec![("www-authenticate", challenge)], Bytes::new())
    }

    fn serve(&mut self, method: &Method, path: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        let not_found = |code| {
            let errors = json!({"errors": [{"code": code, "message": "nothing here"}]});
            (404, vec![], Bytes::from(errors.to_string()))
        };
        if !path.starts_with("/v2/") {
            let file = self.files.get(path);
            return file.map_or_else(|| not_found("none"), |file| file.answer(headers));
        }
        let rest = path.strip_prefix("/v2/").unwrap_or_default();
        if let Some((repository, reference)) = rest.split_once("/manifests/") {
            if method == Method::PUT {
                let digest = Digest::of(&body).to_string();
                self.manifests
                    .insert((repository.to_owned(), reference.to_owned()), body.clone());
                self.manifests
                    .insert((repository.to_owned(), digest.clone()), body);
                return (
                    201,
                    vec![("location", format!("/v2/{repository}/manifests/{digest}"))],
                    Bytes::new(),
                );
            }
            let found = self
                .manifests
                .get(&(repository.to_owned(), reference.to_owned()));
            return found.map_or_else(
                || not_found("MANIFEST_UNKNOWN"),
                |manifest| (200, vec![], manifest.clone()),
            );
        }
        if let Some((repository, upload)) = rest.split_once("/blobs/uploads/") {
            if method == Method::POST {
                return (
                    202,
                    vec![("location", format!("/v2/{repository}/blobs/uploads/1"))],
                    Bytes::new(),
                );
            }
            let digest = upload.split_once("digest=").unwrap().1.replace("%3A", ":");
            assert_eq!(
                digest,
                Digest::of(&body).as_str(),
                "what was pushed is not what was announced"
            );
            self.blobs
                .insert((repository.to_owned(), digest.clone()), body);
            return (
                201,
                vec![("location", format!("/v2/{repository}/blobs/{digest}"))],
                Bytes::new(),
            );
        }
        if let Some((repository, digest)) = rest.split_once("/blobs/") {
            let Some(blob) = self.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
                return not_found("BLOB_UNKNOWN");
            };
            let offset = headers.get("range").and_then(|range| {
                range
                    .to_str()
                    .ok()?
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')
            });
            if let Some(offset) = offset.and_then(|offset| offset.parse::<usize>().ok()) {
                let range = format!("bytes {offset}-{}/{}", blob.len() - 1, blob.len());
                return (206, vec![("content-range", range)], blob.slice(offset..));
            }
            return (200, vec![], blob.clone());
        }
        if rest.is_empty() {
            (200, vec![], Bytes::new())
        } else {
            (StatusCode::BAD_REQUEST.as_u16(), vec![], Bytes::new())
        }
    }
}
