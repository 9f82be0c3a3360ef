//! Access tokens: JWTs with the claims of the real server.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Authority;

/// What tokens are signed with. They name RS256 as the real ones do, but carry an HMAC:
/// nobody but the emulator looks at the signature, and a key pair costs a second to make.
#[derive(Debug)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn random() -> Self {
        let half = || uuid::Uuid::new_v4().simple().to_string();
        Self(half() + &half())
    }

    fn mac(&self, text: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::new_from_slice(self.0.as_bytes()).ok()?; // any length is fine
        mac.update(text.as_bytes());
        Some(mac)
    }
}

impl Authority {
    /// A token with these scopes.
    pub(super) fn token(&self, scopes: &[&str]) -> String {
        let now = self.now();
        let header = json!({"alg": "RS256", "key_id": "emulator", "typ": "JWT"});
        let claims = json!({
            "aud": [self.url],
            "client_id": "",
            "exp": now + self.life.as_secs(),
            "iat": now,
            "jti": uuid::Uuid::new_v4().to_string(),
            "scp": scopes,
            "user_info": null,
        });
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.mac(&signed).map(|mac| mac.finalize().into_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.unwrap_or_default());
        format!("{signed}.{signature}")
    }

    /// The claims of a token, or what the JWT library of the real server finds wrong.
    pub(super) fn claims(&self, token: &str) -> Result<Value, &'static str> {
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err("token contains an invalid number of segments");
        };
        let decoded = |part: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part);
            bytes.map_err(|_| "illegal base64 data at input byte 0")
        };
        decoded(header)?;
        let (claims, signature) = (decoded(claims)?, decoded(signature)?);
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let genuine = self.key.mac(signed);
        if genuine.is_none_or(|mac| mac.verify_slice(&signature).is_err()) {
            return Err("crypto/rsa: verification error");
        }
        let claims: Value =
            serde_json::from_slice(&claims).map_err(|_| "invalid character in claims")?;
        if claims["exp"].as_u64().is_none_or(|exp| exp <= self.now()) {
            return Err("Token is expired");
        }
        Ok(claims)
    }
}
