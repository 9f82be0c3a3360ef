use kube::core::Status;

use super::*;

fn refused(code: u16) -> watcher::Error {
    let status = Status {
        code,
        ..Status::default()
    };
    watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)))
}

#[test]
fn pages_are_listed_where_the_server_refuses_to_stream() {
    let streaming = watcher::Config::default().streaming_lists();
    assert_eq!(Remedy::of(&refused(422), &streaming), Remedy::ListPages);
    assert_eq!(Remedy::of(&refused(400), &streaming), Remedy::ListPages);
    assert_eq!(
        Remedy::of(&refused(422), &watcher::Config::default()),
        Remedy::GoOn
    );
    assert_eq!(Remedy::of(&refused(403), &streaming), Remedy::GoOn);
    assert_eq!(
        Remedy::of(&watcher::Error::NoResourceVersion, &streaming),
        Remedy::GoOn
    );
}

#[test]
fn a_definition_that_is_not_there_voids_what_was_seen() {
    assert_eq!(
        Remedy::of(&refused(404), &watcher::Config::default()),
        Remedy::StartAnew
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten_with_success_and_with_time() {
    let mut failures = Failures::default();
    assert_eq!((failures.count(), failures.count()), (0, 1));
    failures.forget_after(&Event::<()>::Init);
    assert_eq!(failures.count(), 2);
    failures.forget_after(&Event::<()>::InitDone);
    assert_eq!((failures.count(), failures.count()), (0, 1));
    tokio::time::advance(FORGET * 2).await;
    assert_eq!(failures.count(), 0);
}
