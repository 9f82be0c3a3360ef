//! What is kept of an issuer's keys, and when to ask again. Without IO or clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::identity::Keys;

/// How long keys are good.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) struct Terms {
    /// As long, nobody asks for a key that is there.
    pub fresh: Duration,
    /// Between two attempts.
    pub again: Duration,
    /// As long, they do while they cannot be asked for.
    pub kept: Duration,
}

#[derive(Debug, Default)]
pub(in crate::identity) struct Stored {
    keys: Option<(Instant, Arc<Keys>)>,
    tried: Option<Instant>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::identity) enum Next {
    /// These are good.
    Use(Arc<Keys>),
    /// Ask.
    Fetch,
    /// There are none, and it is too early to ask again.
    Wait,
}

impl Stored {
    pub fn next(&self, id: &str, terms: &Terms, now: Instant) -> Next {
        if let Some((at, keys)) = &self.keys
            && now.duration_since(*at) < terms.fresh
            && keys.has(id)
        {
            return Next::Use(Arc::clone(keys));
        }
        if self
            .tried
            .is_none_or(|at| now.duration_since(at) >= terms.again)
        {
            return Next::Fetch;
        }
        self.kept(terms, now).map_or(Next::Wait, Next::Use)
    }

    pub fn tried(&mut self, now: Instant) {
        self.tried = Some(now);
    }

    pub fn got(&mut self, keys: Keys, now: Instant) -> Arc<Keys> {
        let keys = Arc::new(keys);
        self.keys = Some((now, Arc::clone(&keys)));
        keys
    }

    /// Those that still do although they are not fresh.
    pub fn kept(&self, terms: &Terms, now: Instant) -> Option<Arc<Keys>> {
        let (at, keys) = self.keys.as_ref()?;
        (now.duration_since(*at) < terms.kept).then(|| Arc::clone(keys))
    }
}

#[cfg(test)]
mod tests {
    use flyte_registration_fixtures::signer::Signer;

    use super::*;

    const TERMS: Terms = Terms {
        fresh: Duration::from_secs(100),
        again: Duration::from_secs(10),
        kept: Duration::from_secs(1000),
    };

    #[test]
    fn keys_are_asked_for_when_one_is_missing_and_no_sooner_than_that() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let keys = Keys::parse(Signer::p256("known").jwks().as_bytes()).unwrap();
        let mut stored = Stored::default();
        assert_eq!(stored.next("known", &TERMS, at(0)), Next::Fetch);
        stored.tried(at(0));
        assert_eq!(stored.next("known", &TERMS, at(9)), Next::Wait);
        assert_eq!(stored.next("known", &TERMS, at(10)), Next::Fetch);
        stored.tried(at(10));
        let keys = stored.got(keys, at(10));
        let good = Next::Use(keys);
        assert_eq!(stored.next("known", &TERMS, at(10)), good);
        // A key that is not there, for which nobody may ask again yet.
        assert_eq!(stored.next("other", &TERMS, at(19)), good);
        assert_eq!(stored.next("other", &TERMS, at(20)), Next::Fetch);
        assert_eq!(stored.next("known", &TERMS, at(109)), good);
        assert_eq!(stored.next("known", &TERMS, at(110)), Next::Fetch);
        // The issuer cannot be asked: what was there does for a while.
        stored.tried(at(1005));
        assert_eq!(stored.next("known", &TERMS, at(1009)), good);
        assert_eq!(stored.next("known", &TERMS, at(1010)), Next::Wait);
    }
}
