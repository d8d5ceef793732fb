//! Sorting by an order that need not be one.

use std::cmp::Ordering;

use model::version::VersionScheme;

/// The most versions that are put in order: more of them in one place is no real data.
const SORTED_VERSIONS_MAX: usize = 2_000;

/// Sorts ascending by version, stable. Says whether every comparison was answered (else the items are
/// in some order).
///
/// Insertion, not `sort_by`: the order of invalid versions need not be transitive, and `sort_by` may
/// panic on such an order.
pub(crate) fn sort_versions<T>(scheme: VersionScheme, items: &mut [T], version: impl Fn(&T) -> &str) -> bool {
    if items.len() > SORTED_VERSIONS_MAX {
        return false;
    }
    let mut is_answered = true;
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 {
            match scheme.compare(version(&items[at - 1]), version(&items[at])) {
                Ok(Ordering::Greater) => items.swap(at - 1, at),
                Ok(_) => break,
                Err(_) => {
                    is_answered = false;
                    break;
                }
            }
            at -= 1;
        }
    }
    is_answered
}
