//! What a running hub does not change.

use super::Config;

impl Config {
    /// Takes over from `running` what takes effect at a start only. Returns the keys that differ.
    pub fn keep_fixed(&mut self, running: &Self) -> Vec<&'static str> {
        let mut differing = Vec::new();
        keep("listen", &mut self.listen, &running.listen, &mut differing);
        keep("web", &mut self.web, &running.web, &mut differing);
        keep(
            "stateDir",
            &mut self.state_dir,
            &running.state_dir,
            &mut differing,
        );
        keep("api", &mut self.api, &running.api, &mut differing);
        keep("audit", &mut self.audit, &running.audit, &mut differing);
        keep("cache", &mut self.cache, &running.cache, &mut differing);
        keep("work", &mut self.work, &running.work, &mut differing);
        keep(
            "session",
            &mut self.session,
            &running.session,
            &mut differing,
        );
        keep("log", &mut self.log, &running.log, &mut differing);
        differing
    }
}

fn keep<T: Clone + PartialEq>(
    key: &'static str,
    new: &mut T,
    running: &T,
    differing: &mut Vec<&'static str>,
) {
    if new != running {
        new.clone_from(running);
        differing.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_effect_at_a_start_stays_and_is_named() {
        let running = Config::default();
        let mut new = Config::default();
        new.web.listen.set_port(1);
        new.work.concurrency = 1;
        new.package.files = 1;
        assert_eq!(new.keep_fixed(&running), ["web", "work"]);
        assert_eq!((&new.web, &new.work), (&running.web, &running.work));
        assert_eq!(new.package.files, 1);
        assert!(new.keep_fixed(&running).is_empty());
    }
}
