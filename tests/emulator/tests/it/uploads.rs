//! Upload locations against what a real FlyteAdmin 1.16.8 on an S3 was recorded to answer.

use flyte_registration_proto::flyteidl::service::admin_service_client::AdminServiceClient;
use flyteadmin_emulator::Options;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::{compare, messages, recording, replay, start};

const STORAGE: &str = "http://127.0.0.1:9000";

/// What the emulator answers otherwise than the real server, and why.
const KNOWN: [(&str, &[&str]); 1] = [(
    "uploads in the storage are not looked at, which only a filename_root with a filename asks for",
    &["location-root-other", "location-root-no-md5"],
)];

/// The tasks that were registered outside of the recording.
async fn register_big(mut client: AdminServiceClient<Channel>) {
    for number in 0..25 {
        let mut request = messages::create(&format!("rec.big{number:02}"));
        let template = request.spec.as_mut().unwrap().template.as_mut().unwrap();
        template.r#type = "x".repeat(100_000);
        client.create_task(request).await.unwrap();
    }
}

#[tokio::test]
async fn of_the_scenario_on_an_s3_only_known_steps_differ() {
    let mut recorded = recording("flyteadmin-1.16.8-upload.json");
    // The others are requests to the storage itself.
    let steps = recorded["steps"].as_array_mut().unwrap();
    steps.retain(|step| !step["rpc"].is_null());
    let all = steps.clone();
    let options = Options {
        storage_endpoint: Some(STORAGE.to_owned()),
        ..Options::default()
    };
    let (emulator, client) = start(&options).await;
    register_big(client).await;
    let answers = replay::all(&recorded, emulator.grpc).await;

    let unequal = compare::unequal(&recorded, &answers);
    let names: Vec<_> = unequal.iter().map(|(name, _)| name.as_str()).collect();
    let mut known: Vec<_> = KNOWN.iter().flat_map(|(_, steps)| *steps).collect();
    known.sort_by_key(|name| all.iter().position(|step| step["name"] == ***name));
    let told: Vec<_> = unequal
        .iter()
        .map(|(name, how)| format!("{name}\n{how}"))
        .collect();
    assert!(names.iter().eq(known.into_iter()), "{}", told.join("\n"));

    let signed = all.iter().zip(&answers);
    let signed = signed.filter(|(step, answer)| {
        !step["response"]["signed_url"].is_null() && answer["code"] == "OK"
    });
    let mut count = 0;
    for (step, answer) in signed {
        let name = step["name"].as_str().unwrap();
        let made_up = ["location-no-filename", "location-root-only"].contains(&name);
        let [want, got] =
            [step, answer].map(|step| parts(&step["response"]["signed_url"], made_up));
        assert_eq!(want, got, "{name}");
        count += 1;
    }
    assert_eq!(count, 21, "signed URLs");
}

/// What of a signed URL is the same in each run: all but date and signature, and the origin.
/// `made_up`: its file name is random.
fn parts(url: &Value, made_up: bool) -> Value {
    let url = url.as_str().unwrap();
    let (place, query) = url.split_once('?').unwrap();
    let path = place
        .strip_prefix(STORAGE)
        .or_else(|| place.strip_prefix("<storage>"))
        .unwrap();
    let path = match path.rsplit_once('/') {
        Some((folder, name)) if made_up => format!("{folder}/{}", name.len()),
        _ => path.to_owned(),
    };
    let mut fields: Vec<_> = query
        .split('&')
        .map(|field| field.split_once('=').unwrap())
        .map(|(name, value)| match name {
            "X-Amz-Date" | "X-Amz-Signature" => json!([name, value.len()]),
            "X-Amz-Credential" => {
                let parts: Vec<_> = value.split("%2F").collect();
                json!([name, parts[0], parts[2..]])
            }
            _ => json!([name, value]),
        })
        .collect();
    fields.sort_by_key(Value::to_string);
    json!([path, fields])
}
