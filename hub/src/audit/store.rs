//! Events on disk: SQLite in the state directory. The statements are plain SQL, so that PostgreSQL
//! can follow.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use sqlx::{
    QueryBuilder, Row as _, SqlSafeStr as _, Sqlite, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub mod history;
mod sweep;

/// Rows of one statement: far below the number of values that a statement may have.
const ROWS: usize = 256;
/// Connections that read: deliveries and the history.
const READERS: u32 = 4;

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its file cannot be made.
    #[error("cannot make the file of the store")]
    File(#[source] io::Error),
    /// The database refuses.
    #[error("the database of the store fails")]
    Database(#[from] sqlx::Error),
    /// Its tables are those of another hub, or cannot be brought up to date.
    #[error("the tables of the store cannot be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// See [`super::Event::id`].
    pub id: String,
    /// Milliseconds since 1970.
    pub time: i64,
    /// The `type` of the CloudEvent.
    pub kind: &'static str,
    /// What it is found by.
    pub about: super::About,
    /// The CloudEvent.
    pub event: String,
}

/// An event that a sink has not got yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place.
    pub seq: i64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// The CloudEvent.
    pub event: String,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    /// One connection: SQLite has one writer at a time anyway.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Bytes of all events.
    size: AtomicU64,
}

impl Store {
    /// The store in `path`, made there if there is none yet. What waits for sinks that are not in
    /// `sinks` any more waits no longer; the second value is how many that were.
    pub async fn open(path: &Path, sinks: &[&str]) -> Result<(Self, u64), StoreError> {
        private(path).map_err(StoreError::File)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What was said to be on disk is there after a loss of power, too.
            .synchronous(SqliteSynchronous::Full);
        let pool = |most| {
            SqlitePoolOptions::new()
                .min_connections(1)
                .max_connections(most)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        migrator().run(&writer).await?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await?;
        let size: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(size), 0) FROM events")
            .fetch_one(&readers)
            .await?;
        let store = Self {
            writer,
            readers,
            size: AtomicU64::new(size.cast_unsigned()),
        };
        let left = store.keep_sinks(sinks).await?;
        Ok((store, left))
    }

    /// Bytes of all events that are kept.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Keeps those of `rows` that are not kept yet, for each of `sinks` to get. They are on disk
    /// when this returns, all of them or none. Returns how many were new.
    pub async fn append(&self, rows: &[Row], sinks: &[&str]) -> Result<u64, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let mut new: Vec<(i64, i64)> = Vec::new();
        for rows in rows.chunks(ROWS) {
            let mut insert = QueryBuilder::<Sqlite>::new(
                "INSERT INTO events (id, time, type, cluster, namespace, name, project, event, size) ",
            );
            insert.push_values(rows, |mut values, row| {
                values
                    .push_bind(&row.id)
                    .push_bind(row.time)
                    .push_bind(row.kind)
                    .push_bind(&row.about.cluster)
                    .push_bind(&row.about.namespace)
                    .push_bind(&row.about.name)
                    .push_bind(&row.about.project)
                    .push_bind(&row.event)
                    .push_bind(i64::try_from(row.event.len()).unwrap_or(i64::MAX));
            });
            insert.push(" ON CONFLICT (id) DO NOTHING RETURNING seq, size");
            let inserted = insert.build_query_as::<(i64, i64)>();
            new.extend(inserted.fetch_all(&mut *transaction).await?);
        }
        for sink in sinks {
            for rows in new.chunks(ROWS) {
                let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO outbox (seq, sink) ");
                insert.push_values(rows, |mut values, (seq, _)| {
                    values.push_bind(*seq).push_bind(*sink);
                });
                insert.build().execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        let size: i64 = new.iter().map(|(_, size)| size).sum();
        self.size.fetch_add(size.cast_unsigned(), Ordering::Relaxed);
        Ok(new.len() as u64)
    }

    /// The oldest events that `sink` has not got yet, at most `most`.
    pub async fn pending(&self, sink: &str, most: u32) -> Result<Vec<Pending>, StoreError> {
        let rows = sqlx::query(
            "SELECT events.seq, events.time, events.event FROM outbox \
             JOIN events ON events.seq = outbox.seq \
             WHERE outbox.sink = $1 ORDER BY outbox.seq LIMIT $2",
        )
        .bind(sink)
        .bind(most)
        .fetch_all(&self.readers)
        .await?;
        let pending = rows.iter().map(|row| {
            Ok(Pending {
                seq: row.try_get(0)?,
                time: row.try_get(1)?,
                event: row.try_get(2)?,
            })
        });
        Ok(pending.collect::<Result<_, sqlx::Error>>()?)
    }

    /// How many events `sink` has not got yet.
    pub async fn backlog(&self, sink: &str) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE sink = $1")
            .bind(sink)
            .fetch_one(&self.readers)
            .await?;
        Ok(count.cast_unsigned())
    }

    /// `sink` has got these.
    pub async fn delivered(&self, sink: &str, events: &[Pending]) -> Result<(), StoreError> {
        let mut delete = QueryBuilder::<Sqlite>::new("DELETE FROM outbox WHERE sink = ");
        delete.push_bind(sink).push(" AND seq IN (");
        let mut places = delete.separated(", ");
        for event in events {
            places.push_bind(event.seq);
        }
        delete.push(")");
        delete.build().execute(&self.writer).await?;
        Ok(())
    }

    /// Nothing can be written any more.
    #[cfg(test)]
    pub(super) async fn break_it(&self) {
        self.writer.close().await;
    }

    async fn keep_sinks(&self, sinks: &[&str]) -> Result<u64, StoreError> {
        let mut delete = QueryBuilder::<Sqlite>::new("DELETE FROM outbox WHERE sink NOT IN ('' ");
        for sink in sinks {
            delete.push(", ").push_bind(*sink);
        }
        delete.push(")");
        Ok(delete.build().execute(&self.writer).await?.rows_affected())
    }
}

/// The file, readable by its owner only. SQLite gives the files beside it the same mode.
fn private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600);
    file.open(path).map(drop)
}

fn migrator() -> Migrator {
    let all = [
        ("events", include_str!("migrations/1_events.sql")),
        ("searches", include_str!("migrations/2_searches.sql")),
    ];
    let migrations = (1..).zip(all).map(|(version, (name, sql))| {
        let (name, sql) = (name.into(), sql.into_sql_str());
        Migration::new(version, name, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests;
