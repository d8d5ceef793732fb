//! Which moment a question is about.

use jiff::Timestamp;

/// One moment. `None` is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) Option<Timestamp>);

impl Moment {
    /// Writes the condition that what was so on a host was so then, for the columns of the table with an alias.
    pub(crate) fn holds(self, alias: &str) -> String {
        self.lies_in(&format!("{alias}.valid_from"), &format!("{alias}.valid_to"))
    }

    /// Writes the condition that what a feed said counted then, for columns of these names.
    pub(crate) fn known(self) -> String {
        self.lies_in("known_from", "known_to")
    }

    /// The start belongs to an interval, the end does not.
    fn lies_in(self, from: &str, to: &str) -> String {
        match self.0.map(Timestamp::as_microsecond) {
            None => format!("{to} IS NULL"),
            Some(at) => format!("({from} <= {at} AND ({to} IS NULL OR {to} > {at}))"),
        }
    }
}
