use super::{history::Filter, *};
use crate::audit::About;

const SINKS: &[&str] = &["stdout", "webhook"];

async fn store(dir: &Path) -> Store {
    Store::open(&dir.join("audit.db"), SINKS).await.unwrap().0
}

fn row(id: usize) -> Row {
    Row {
        id: format!("id-{id}"),
        time: i64::try_from(id).unwrap(),
        kind: "t",
        about: About {
            cluster: "east".to_owned(),
            project: format!("p{}", id % 2),
            ..About::default()
        },
        event: format!("{{\"id\":{id:04}}}"),
    }
}

fn rows(ids: std::ops::Range<usize>) -> Vec<Row> {
    ids.map(row).collect()
}

#[tokio::test]
async fn what_happened_is_kept_once_and_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let before = store(dir.path()).await;
    assert_eq!(before.append(&rows(0..3), SINKS).await.unwrap(), 3);
    assert_eq!(before.append(&rows(1..5), SINKS).await.unwrap(), 2);
    let twice = [row(9), row(9)];
    assert_eq!(before.append(&twice, SINKS).await.unwrap(), 1);
    let pending = before.pending("webhook", 2).await.unwrap();
    before.delivered("webhook", &pending).await.unwrap();

    let after = store(dir.path()).await;
    assert_eq!(after.size(), 6 * row(0).event.len() as u64);
    assert_eq!(after.append(&rows(0..5), SINKS).await.unwrap(), 0);
    assert_eq!(after.backlog("stdout").await.unwrap(), 6);
    let events = after.pending("webhook", 100).await.unwrap();
    let events: Vec<_> = events
        .iter()
        .map(|pending| pending.event.as_str())
        .collect();
    let expected = [2, 3, 4, 9].map(|id| row(id).event);
    assert_eq!(events, expected);
}

#[tokio::test]
async fn more_than_a_statement_holds_is_one_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    assert_eq!(store.append(&rows(0..1000), SINKS).await.unwrap(), 1000);
    assert_eq!(store.backlog("webhook").await.unwrap(), 1000);
}

#[tokio::test]
async fn what_is_not_delivered_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    store.append(&rows(0..1200), SINKS).await.unwrap();
    store.shrink_to(0).await.unwrap();
    assert_eq!(store.backlog("stdout").await.unwrap(), 1200);

    for sink in SINKS {
        let pending = store.pending(sink, 700).await.unwrap();
        store.delivered(sink, &pending).await.unwrap();
    }
    store.drop_before(600).await.unwrap();
    assert_eq!(store.size(), 600 * row(0).event.len() as u64);
    store.shrink_to(0).await.unwrap();
    assert_eq!(store.size(), 500 * row(0).event.len() as u64);
    assert_eq!(store.backlog("webhook").await.unwrap(), 500);
}

#[tokio::test]
async fn a_sink_that_is_gone_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path())
        .await
        .append(&rows(0..3), SINKS)
        .await
        .unwrap();
    let (store, left) = Store::open(&dir.path().join("audit.db"), &["stdout"])
        .await
        .unwrap();
    assert_eq!((left, store.backlog("stdout").await.unwrap()), (3, 3));
    store.shrink_to(0).await.unwrap();
    assert_eq!(store.backlog("webhook").await.unwrap(), 0);
}

#[tokio::test]
async fn the_history_is_paged_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    store.append(&rows(0..10), &[]).await.unwrap();
    let filter = Filter {
        cluster: Some("east".to_owned()),
        project: Some("p1".to_owned()),
        ..Filter::default()
    };
    let first = store.history(&filter, None, 3).await.unwrap();
    assert_eq!(first.events, [9, 7, 5].map(|id| row(id).event));
    // What is added meanwhile does not move the pages.
    store.append(&rows(11..12), &[]).await.unwrap();
    let second = store.history(&filter, first.next, 3).await.unwrap();
    assert_eq!(
        (second.events, second.next),
        ([3, 1].map(|id| row(id).event).to_vec(), None)
    );
    let none = Filter {
        cluster: Some("west".to_owned()),
        ..filter
    };
    assert_eq!(
        store.history(&none, None, 3).await.unwrap(),
        history::Page::default()
    );
}

/// However it is searched, nothing is sorted or read through for it; and of several indices, the one
/// that finds the fewest is used.
#[tokio::test]
async fn every_search_of_the_history_uses_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let names = ["type", "cluster", "project", "namespace", "name"];
    for fields in 0..1_u32 << names.len() {
        let value = |bit: u32| (fields >> bit & 1 == 1).then(String::new);
        let filter = Filter {
            kind: value(0),
            cluster: value(1),
            project: value(2),
            namespace: value(3),
            name: value(4),
        };
        let sql = filter.select(1, 1).sql().as_str().to_owned();
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        let rows = plan.fetch_all(&store.readers).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let using = match fields.checked_ilog2() {
            None => "INTEGER PRIMARY KEY (rowid<?)".to_owned(),
            Some(bit) => {
                let name = names[bit as usize];
                format!("INDEX events_by_{name} ({name}=? AND seq<?)")
            }
        };
        assert_eq!(plan, [format!("SEARCH events USING {using}")], "{sql}");
    }
}

#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    store.append(&rows(0..1), SINKS).await.unwrap();
    for file in ["audit.db", "audit.db-wal"] {
        let mode = fs::metadata(dir.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}
