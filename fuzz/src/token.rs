//! Tokens and key sets that others may have written.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flyte_registration_hub::identity::{Keys, Refusal, Rules, Token, verify};
use jiff::Timestamp;

/// A token of the key in `jwks.json`, signed once.
const GOOD: &str = include_str!("../corpus/token/good");
const JWKS: &[u8] = include_bytes!("../corpus/token/jwks.json");

/// The input as a token, as the header and the claims of one (divided by a byte that is no text), as
/// changes to a good one, and as a key set: nothing of it is let in.
pub fn run(data: &[u8]) {
    let keys = Keys::parse(JWKS).expect("the key set is good");
    if let Ok(text) = str::from_utf8(data) {
        assert!(
            text == GOOD || judge(text, &keys).is_err(),
            "nobody has the key"
        );
    }
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let mut part = || URL_SAFE_NO_PAD.encode(parts.next().unwrap_or_default());
    let unsigned = format!("{}.{}.", part(), part());
    assert!(judge(&unsigned, &keys).is_err(), "nobody has signed it");

    let mut changed = GOOD.to_owned().into_bytes();
    for change in data.as_chunks::<3>().0 {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[place] ^= change[2];
    }
    if let Ok(changed) = String::from_utf8(changed) {
        assert_eq!(judge(&changed, &keys).is_ok(), changed == GOOD);
    }
    if let Ok(foreign) = Keys::parse(data) {
        // Whoever has the right key may have put it there.
        assert!(foreign == keys || judge(GOOD, &foreign).is_err() || foreign.has("a"));
    }
}

fn judge(text: &str, keys: &Keys) -> Result<(), Refusal> {
    let rules = Rules {
        issuer: "https://kubernetes.default.svc".to_owned(),
        subject: "system:serviceaccount:flyte-registration:agent".to_owned(),
        audience: "flyte-registration-hub".to_owned(),
    };
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let token = Token::parse(text)?;
    verify(&token, keys, &rules, now).map(drop)
}
