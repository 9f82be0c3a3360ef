//! An S3 that uploads go to: signs URLs as AWS' Signature Version 4 wants them in a query.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::{fmt::Write as _, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// Where uploads go, and what signs for it.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `http://host:port`, without a slash at the end.
    pub endpoint: String,
    /// The bucket, which is a part of the path.
    pub bucket: String,
    /// The region.
    pub region: String,
    /// Who signs.
    pub key_id: String,
    /// With what.
    pub secret: String,
    /// So many URLs are handed out that have expired already.
    pub expired: Arc<Mutex<u64>>,
}

impl Storage {
    /// A URL for one PUT of `key`, together with headers of these values, whose names are in
    /// lower case and in order.
    pub fn presigned_put(
        &self,
        key: &str,
        headers: &[(&str, &str)],
        seconds: i64,
        now: Timestamp,
    ) -> String {
        let now = {
            let mut expired = self.expired.lock();
            let late = *expired > 0;
            *expired = expired.saturating_sub(1);
            let back = jiff::SignedDuration::from_secs(if late { seconds + 3600 } else { 0 });
            now.checked_sub(back).unwrap_or(now)
        };
        let date = now.strftime("%Y%m%d").to_string();
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let host = self.endpoint.split("://").last().unwrap_or_default();
        // "host" comes after "content-md5" and before "x-amz-…".
        let place = headers.partition_point(|(name, _)| *name < "host");
        let mut bound = headers.to_vec();
        bound.insert(place, ("host", host));
        let names: Vec<_> = bound.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");

        let path = format!("/{}/{}", encoded(&self.bucket, true), encoded(key, false));
        let query = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", self.key_id)),
            ("X-Amz-Date", time.clone()),
            ("X-Amz-Expires", seconds.to_string()),
            ("X-Amz-SignedHeaders", names.clone()),
        ];
        let query: Vec<_> = (query.iter())
            .map(|(name, value)| format!("{name}={}", encoded(value, true)))
            .collect();
        let query = query.join("&");
        let mut lines = String::new();
        for (name, value) in bound {
            let _ = writeln!(lines, "{name}:{value}");
        }
        let request = format!("PUT\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let hash = hex::encode(Sha256::digest(request));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
        let signature = hex::encode(self.sign(&date, &text));
        format!(
            "{}{path}?{query}&X-Amz-Signature={signature}",
            self.endpoint
        )
    }

    fn sign(&self, date: &str, text: &str) -> Vec<u8> {
        let secret = format!("AWS4{}", self.secret).into_bytes();
        let parts = [date, self.region.as_str(), "s3", "aws4_request", text];
        parts
            .into_iter()
            .fold(secret, |key, part| keyed(&key, part))
    }
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn encoded(text: &str, slashes: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (byte == b'/' && !slashes) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
