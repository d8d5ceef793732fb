//! The facts about what a host is made of apart from its packages: one page each, with its snippet
//! and its parser. They bring back what the login may read; what it may not is unknown, with a
//! warning, because an ordinary login's scan is no failed scan.

pub(super) mod accounts;
pub(super) mod boot;
pub(super) mod cron;
pub(super) mod jails;
pub(super) mod keys;
pub(super) mod listeners;
pub(super) mod privileges;
pub(super) mod services;
pub(super) mod stale;

#[cfg(test)]
mod tests;
