//! gRPC without choking on FlyteAdmin's texts.

use std::task::{Context, Poll};

use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use tonic::body::Body;
use tower::{BoxError, Service};

use super::endpoint::Channels;

/// Channels that mend status messages: FlyteAdmin cuts them at 32,000 bytes, also within
/// a character, and tonic gives up code and text of a message that is not UTF-8.
#[derive(Clone, Debug)]
pub(super) struct Lenient(pub(super) Channels);

impl Service<Request<Body>> for Lenient {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = self.0.call(request);
        response.map(|response| response.map(mended)).boxed()
    }
}

fn mended(mut response: Response<Body>) -> Response<Body> {
    // A call that fails at once has its status among the headers, others in the trailers.
    mend(response.headers_mut());
    response.map(|body| {
        Body::new(body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                mend(trailers);
            }
            frame
        }))
    })
}

fn mend(headers: &mut HeaderMap) {
    const MESSAGE: &str = "grpc-message";
    let Some(value) = headers.get(MESSAGE) else {
        return;
    };
    let bytes = percent_decoded(value.as_bytes());
    if str::from_utf8(&bytes).is_ok() {
        return;
    }
    let text = String::from_utf8_lossy(&bytes);
    if let Ok(value) = HeaderValue::from_str(&percent_encoded(&text)) {
        headers.insert(MESSAGE, value);
    }
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match tail {
            [high, low, behind @ ..] if *first == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = behind;
                }
                _ => decoded.push(*first),
            },
            _ => decoded.push(*first),
        }
    }
    decoded
}

fn percent_encoded(text: &str) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.extend([
                '%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-message", HeaderValue::from_str(value).unwrap());
        headers.insert("grpc-status", HeaderValue::from_static("3"));
        headers
    }

    #[test]
    fn a_message_cut_within_a_character_is_read() {
        let mut headers = message("100%25 of caf%C3");
        mend(&mut headers);
        let status = tonic::Status::from_header_map(&headers).unwrap();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(status.message(), "100% of caf\u{fffd}");
    }

    #[test]
    fn other_messages_are_left_as_they_are() {
        for value in ["plain", "caf%C3%A9", "100%25", "%", "%zz", ""] {
            let mut headers = message(value);
            mend(&mut headers);
            assert_eq!(headers, message(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(text in "\\PC*") {
            prop_assert_eq!(percent_decoded(percent_encoded(&text).as_bytes()), text.into_bytes());
        }
    }
}
