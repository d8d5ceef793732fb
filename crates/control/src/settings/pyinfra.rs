//! `[pyinfra]`: how pyinfra is run.

use std::time::Duration;

use super::Settings;

impl Settings {
    /// Returns the program: a name to be looked for in `PATH`, or a path as written (`~/` not yet expanded).
    pub fn pyinfra_program(&self) -> &str {
        self.text("pyinfra.program")
    }

    /// Returns how many hosts pyinfra works on at once, each in a process of its own.
    pub fn pyinfra_parallel(&self) -> usize {
        usize::try_from(self.whole("pyinfra.parallel")).unwrap_or(usize::MAX)
    }

    /// Returns the time for finding out what there is to do at one host.
    pub fn pyinfra_plan_timeout(&self) -> Duration {
        Duration::from_secs(self.whole("pyinfra.plan_timeout_secs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accessor_has_a_definition_of_its_kind() {
        let settings = Settings::default();
        assert_eq!((settings.pyinfra_program(), settings.pyinfra_parallel()), ("pyinfra", 8));
        assert!(settings.pyinfra_plan_timeout() > Duration::ZERO);
    }
}
