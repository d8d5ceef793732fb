//! What operations touch and depend on: coarse, so that it is never too little.

/// A part of a host's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Area {
    /// What is at a path, and nothing below it.
    Entry(String),
    /// A path and all that is below it.
    Tree(String),
    /// Installed packages.
    Packages,
    /// Users and groups.
    Accounts,
    /// Services: which there are and whether they run.
    Services,
    /// Another part with this name: `sysctl`, `mounts`.
    Named(&'static str),
    /// Anything.
    Everything,
}

impl Area {
    /// Returns what installing, upgrading or removing packages may change.
    pub(crate) fn of_packages() -> Vec<Self> {
        let folders =
            ["/etc", "/usr", "/var", "/opt", "/srv", "/lib", "/bin", "/sbin", "/boot", "/run", "/home"];
        let trees = folders.into_iter().map(|folder| Self::Tree(folder.to_owned()));
        trees.chain([Self::Packages, Self::Accounts, Self::Services, Self::Named("modules")]).collect()
    }

    /// Says whether they have anything in common.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => true,
            (Self::Entry(a), Self::Entry(b)) => a == b,
            (Self::Tree(tree), Self::Entry(path)) | (Self::Entry(path), Self::Tree(tree)) => {
                is_below(path, tree)
            }
            (Self::Tree(a), Self::Tree(b)) => is_below(a, b) || is_below(b, a),
            (a, b) => a == b,
        }
    }
}

fn is_below(path: &str, tree: &str) -> bool {
    let tree = tree.trim_end_matches('/');
    path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_seen_from_both_sides() {
        let entry = |path: &str| Area::Entry(path.to_owned());
        let tree = |path: &str| Area::Tree(path.to_owned());
        let check = |a: &Area, b: &Area, expected: bool| {
            assert_eq!(a.meets(b), expected, "{a:?} {b:?}");
            assert_eq!(b.meets(a), expected, "{b:?} {a:?}");
        };
        check(&entry("/a"), &entry("/a"), true);
        check(&entry("/a"), &entry("/a/b"), false);
        check(&tree("/a"), &entry("/a/b"), true);
        check(&tree("/a"), &entry("/ab"), false);
        check(&tree("/"), &entry("/ab"), true);
        check(&tree("/a/b"), &tree("/a"), true);
        check(&Area::Packages, &Area::Packages, true);
        check(&Area::Packages, &Area::Accounts, false);
        check(&Area::Named("x"), &Area::Named("y"), false);
        check(&Area::Everything, &Area::Named("y"), true);
    }
}
