//! Old events go, unless a sink has not got them yet.

use std::sync::atomic::Ordering;

use sqlx::Row as _;

use super::{Store, StoreError};

/// Events that go at a time: what is appended meanwhile waits that long.
const CHUNK: u32 = 500;

impl Store {
    /// Drops the events before `time` (milliseconds since 1970) that every sink has got.
    pub async fn drop_before(&self, time: i64) -> Result<(), StoreError> {
        while self.drop_some(time).await? == u64::from(CHUNK) {}
        Ok(())
    }

    /// Drops the oldest events that every sink has got, until all are at most `size` bytes or none
    /// is left.
    pub async fn shrink_to(&self, size: u64) -> Result<(), StoreError> {
        while self.size() > size && self.drop_some(i64::MAX).await? > 0 {}
        Ok(())
    }

    async fn drop_some(&self, before: i64) -> Result<u64, StoreError> {
        let dropped = sqlx::query(
            "DELETE FROM events WHERE seq IN (\
               SELECT seq FROM events WHERE time < $1 \
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.seq = events.seq) \
               ORDER BY seq LIMIT $2) \
             RETURNING size",
        )
        .bind(before)
        .bind(CHUNK)
        .fetch_all(&self.writer)
        .await?;
        let sizes = dropped.iter().map(|row| row.try_get::<i64, _>(0));
        let size: i64 = sizes.sum::<Result<_, _>>()?;
        self.size.fetch_sub(size.cast_unsigned(), Ordering::Relaxed);
        Ok(dropped.len() as u64)
    }
}
