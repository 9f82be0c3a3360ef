//! Signatures of requests as the Standard Webhooks specification has them, so that its libraries
//! verify them: <https://www.standardwebhooks.com>.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What Standard Webhooks' secrets begin with: the rest is base64.
const PREFIX: &str = "whsec_";
/// Fewer bytes could be guessed.
const KEY_MIN: usize = 24;

/// The secret is too short, or not what its prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing secret must be {KEY_MIN} bytes or more, or {PREFIX} and those in base64")]
pub struct BadSecret;

/// The header `webhook-signature` for this request, by the secret as it stands in its file.
pub(in crate::audit) fn sign(
    secret: &str,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String, BadSecret> {
    let secret = secret.trim();
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret)?,
        None => secret.as_bytes().to_vec(),
    };
    if key.len() < KEY_MIN {
        return Err(BadSecret);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| BadSecret)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn it_is_that_of_standard_webhooks() {
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signature.unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn short_secrets_are_refused() {
        for bad in [
            "",
            "short",
            "whsec_c2hvcnQ=",
            "whsec_no base64 at all, but long",
        ] {
            assert_eq!(sign(bad, "id", 0, b""), Err(BadSecret), "{bad}");
        }
        sign(&"a".repeat(KEY_MIN), "id", 0, b"").unwrap();
    }
}
