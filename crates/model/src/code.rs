//! The stable codes of problems. docs/reference/diagnostics.md is generated from this table.

use crate::problem::Level;

macro_rules! codes {
    ($($variant:ident, $word:literal, $level:ident, $what:literal;)*) => {
        /// A stable, searchable code of a kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $what] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the code as people see it: `dotted.kebab-case`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Returns how bad it is.
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            /// Returns what it means, for the reference.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

// Sorted by area, then word.
codes! {
    ApplyInDoubt, "apply.in-doubt", Error, "A host was lost while a plan was applied to it: its script may be at work, done or dead; the next contact settles it.";
    ApplyRefused, "apply.refused", Error, "A plan was not applied to a host: somebody else works on it, another run must be settled first, or the host takes no script; nothing was done there.";
    ApplyUnprivileged, "apply.unprivileged", Error, "A step failed on a host whose login is not root and does not become root; the step may need root.";
    AuditAnchorFailed, "audit.anchor-failed", Warning, "A checkpoint of the audit record could not be brought to a place outside of the database, or those there cannot be read.";
    AuditAnchorOld, "audit.anchor-old", Warning, "The newest checkpoint of the audit record outside of the database is older than the settings allow.";
    AuditNotAnchored, "audit.not-anchored", Warning, "No checkpoint of the audit record is to be found outside of the database.";
    AuditNotSealed, "audit.not-sealed", Error, "No checkpoint of the audit record was signed after something was done; what was done is on record.";
    CollectCut, "collect.cut", Error, "A host's answer ended before its end marker: connection cut, time-out or byte limit.";
    CollectFactFailed, "collect.fact-failed", Error, "A fact's command failed on the host; the fact is unknown.";
    CollectFactUnreadable, "collect.fact-unreadable", Error, "A host's answer to a fact could not be understood; what could be read is kept.";
    CollectHostCertificateRefused, "collect.host-certificate-refused", Error, "A host showed a certificate that does not count: wrong name, wrong time, unknown authority; nothing was sent to it.";
    CollectHostKeyChanged, "collect.host-key-changed", Error, "A host showed another key than the pinned one; nothing was sent to it.";
    CollectHostKeyRevoked, "collect.host-key-revoked", Error, "A host showed a key that known_hosts marks as revoked, or one certified by such a key; nothing was sent to it.";
    CollectHostKeyUnknown, "collect.host-key-unknown", Error, "No key is pinned for a host; nothing was sent to it.";
    CollectLineIgnored, "collect.line-ignored", Warning, "A line of a host's answer means nothing to ifrit, as it means nothing to the program it is for; it is left out.";
    CollectMixedReleases, "collect.mixed-releases", Warning, "A host installs packages of another release beside its own; they are judged by its own release's advisories.";
    CollectNotEscalated, "collect.not-escalated", Error, "A host's login may not become root with sudo or doas without a prompt.";
    CollectNotPermitted, "collect.not-permitted", Warning, "The login may not read a part of a host's state; that part is unknown.";
    CollectOutputTooLarge, "collect.output-too-large", Error, "A host's answer was longer than the limit; it was cut there.";
    CollectSshConfig, "collect.ssh-config", Error, "The SSH configuration or known_hosts ask something for a host that ifrit does not do or does not understand; it was not contacted.";
    CollectTimeout, "collect.timeout", Error, "A host did not answer within its time limit.";
    CollectUnreachable, "collect.unreachable", Error, "No SSH connection to a host could be made.";
    CollectUnauthenticated, "collect.unauthenticated", Error, "A host accepted none of our SSH keys.";
    CollectUnsupportedOs, "collect.unsupported-os", Warning, "A host runs an operating system whose packages ifrit cannot judge; its findings are unknown.";
    ConfigInvalidValue, "config.invalid-value", Error, "A setting in ifrit.toml has a value that it cannot have.";
    ConfigSyntax, "config.syntax", Error, "ifrit.toml is not valid TOML.";
    ConfigUnknownKey, "config.unknown-key", Error, "ifrit.toml has a key that ifrit does not know.";
    DataCommandFailed, "data.command-failed", Error, "A command that the inventory takes data from failed, took too long or printed too much.";
    DataUnreadable, "data.unreadable", Error, "A file that the inventory takes data from could not be read.";
    ExportNameChanged, "export.name-changed", Warning, "A group is exported under another name, because two names are the same to the other tool.";
    ExportNoHostKey, "export.no-host-key", Warning, "A host is exported without a pinned key: whoever connects cannot tell it from another.";
    FeedEmpty, "feed.empty", Error, "A feed holds no entry at all; the last good snapshot is kept.";
    FeedEntryInvalid, "feed.entry-invalid", Warning, "One entry of a feed could not be understood; the others count.";
    FeedTooLarge, "feed.too-large", Error, "A feed is larger than the limit; the last good snapshot is kept.";
    FeedUnreachable, "feed.unreachable", Error, "A document of a feed could not be fetched; the last good one is kept.";
    FeedUnreadable, "feed.unreadable", Error, "A feed could not be read or parsed; the last good snapshot is kept.";
    FeedUnrecognised, "feed.unrecognised", Warning, "A file in the feed directory is no document of a feed that ifrit knows; it is not used.";
    FeedShrunken, "feed.shrunken", Error, "A feed lost more than half of its entries; the last good snapshot is kept.";
    FeedVersionInvalid, "feed.version-invalid", Warning, "A fixed version is not valid for its package manager; it is compared as the package manager would.";
    ImportDuplicate, "import.duplicate", Warning, "A file that is imported describes the same host twice; the first one counts.";
    ImportEntryInvalid, "import.entry-invalid", Error, "An entry of a file that is imported could not be understood; it is left out.";
    ImportIgnored, "import.ignored", Warning, "Something in a file that is imported has no counterpart here; it is kept as a comment where it is no secret.";
    ImportLimit, "import.limit", Error, "A file that is imported holds more than one import takes; the rest is left out.";
    ImportNameChanged, "import.name-changed", Warning, "A name in a file that is imported breaks the naming rule or is taken; it was changed.";
    ImportNoClient, "import.no-client", Warning, "A file that is imported does not say whose hosts it describes.";
    ImportUnreadable, "import.unreadable", Error, "A file that is imported is not in the format that it should be in.";
    InventoryBadArgument, "inventory.bad-argument", Error, "A declaration has an argument of the wrong type or form.";
    InventoryCycle, "inventory.cycle", Error, "Services depend on each other in a circle.";
    InventoryDuplicate, "inventory.duplicate", Error, "Two declarations have the same name.";
    InventoryDuplicateAddress, "inventory.duplicate-address", Error, "Two interfaces of a client's hosts have the same address.";
    InventoryExceptionExpired, "inventory.exception-expired", Warning, "An exception's last day is over: what it was for counts again.";
    InventoryExceptionUnused, "inventory.exception-unused", Warning, "An exception takes no host.";
    InventoryOtherClient, "inventory.other-client", Warning, "A service runs on a host that belongs to another client.";
    InventoryOutsideNetwork, "inventory.outside-network", Error, "An interface has an address that its network does not hold.";
    InventoryOverlappingNetworks, "inventory.overlapping-networks", Warning, "Two networks of a client share addresses.";
    InventoryUnknownReference, "inventory.unknown-reference", Error, "A declaration names something that is not declared: a client, a host, a service, a site...";
    InventoryWrongClient, "inventory.wrong-client", Error, "A declaration joins what belongs to different clients: a host and a site, a group and a host...";
    PlanBadArgument, "plan.bad-argument", Error, "An operation of a deploy was called with an argument that it cannot use, or its host is in a state that it does not change.";
    PlanCutsAccess, "plan.cuts-access", Warning, "A plan stops sshd, or removes the login or the keys that ifrit itself comes in by.";
    PlanFactUnknown, "plan.fact-unknown", Error, "A deploy looks at a fact that is not known yet; the host is asked and the deploy is evaluated again.";
    PlanLastAdminKey, "plan.last-admin-key", Warning, "A plan replaces or removes all authorized keys of a login.";
    PlanRebootTogether, "plan.reboot-together", Warning, "A plan restarts all its hosts in one wave.";
    PlanRestartTogether, "plan.restart-together", Warning, "A plan restarts a critical service on all of its hosts in one wave.";
    PlanSecretShown, "plan.secret-shown", Error, "A deploy puts a secret into text; only the body of a file can hold one.";
    PlanUndecided, "plan.undecided", Error, "A deploy branches on whether a step changes something, which only the host can decide.";
    PlanUnguarded, "plan.unguarded", Warning, "A plan runs a command without a guard: it runs every time, and is not run again after a crash.";
    PlanUnprivileged, "plan.unprivileged", Warning, "A login is not root and does not become root: a plan for its host knows only what it may read.";
    PyinfraFailed, "pyinfra.failed", Error, "pyinfra could not be run for a host, or has ended in an error before anything was done there.";
    PyinfraOverdue, "pyinfra.overdue", Error, "pyinfra did not come to its end for a host within its time limit, before anything was done there; it was ended.";
    SoftwareNotMatched, "software.not-matched", Warning, "A piece of software has no package URL, one of a kind that no advisories are matched for, or no version; nothing is known of it.";
    SshConfigUnsupported, "ssh.config-unsupported", Warning, "A line of the SSH configuration or of known_hosts is not understood or has no effect here.";
    StarlarkError, "starlark.error", Error, "Starlark code failed while it was evaluated.";
    StarlarkLimit, "starlark.limit", Error, "Starlark code ran into a limit on steps, memory or depth.";
    StarlarkLoad, "starlark.load", Error, "A load statement names a file that cannot be loaded.";
    StarlarkSyntax, "starlark.syntax", Error, "A .star file could not be parsed.";
    StarlarkType, "starlark.type", Error, "The types of a function's code do not fit together.";
    StarlarkUnknownName, "starlark.unknown-name", Error, "Starlark code uses a name that nothing defines.";
    TestFactMissing, "test.fact-missing", Error, "A test of a deploy does not give a fact that the deploy asks for.";
    TestFailed, "test.failed", Error, "A test of a deploy failed: something else came than what it expects.";
    WorkspaceLimit, "workspace.limit", Error, "The workspace has too many or too large files.";
    WorkspaceMissing, "workspace.missing", Error, "The directory is not an ifrit workspace: it has no ifrit.toml.";
    WorkspaceUnreadable, "workspace.unreadable", Error, "A file of the workspace could not be read.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_sorted_by_area() {
        let words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        let areas: Vec<_> = words.iter().map(|word| word.split('.').next()).collect();
        assert!(areas.is_sorted(), "{areas:?}");
        for word in words {
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || b".-".contains(&byte)), "{word}");
        }
    }
}
