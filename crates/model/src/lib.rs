//! The nouns of ifrit and the pure rules that belong to them: names, inventory, packages, version
//! orders, advisories, findings, collections, problems.
//!
//! Architecture invariant: nothing here does I/O, reads a clock, draws a random number or knows a
//! wire format. Same input, same answer. Types here are not serialised: every format (JSON of the
//! CLI, rows of the store, structs of a feed) has its own struct beside its reader or writer.

mod advisory;
mod code;
mod collection;
mod finding;
mod incident;
mod inventory;
pub mod merkle;
mod network;
mod observed;
mod package;
mod plan;
mod platform;
mod problem;
mod purl;
mod run;
pub mod selector;
mod text;
pub mod version;

pub use advisory::{
    Advisory, AdvisoryKey, Affected, Affects, Bound, ExploitScore, ExploitedVulnerability, FeedName, JoinBy,
    NewsItem, PackagePattern, Severity, Share, VersionRange, VulnerabilityId,
};
pub use code::Code;
pub use collection::{Collection, Kernel, OsRelease};
pub use finding::{FindingState, Fix, Reason};
pub use incident::{Exception, IncidentId, IncidentKind, Mark, Rung, Stage, Verdict};
pub use inventory::{
    Access, Address, Client, Connection, DataValue, Email, Group, Host, HostKey, Interface, InterfaceName,
    Inventory, Link, LinkEnd, Network, NetworkName, Person, PublicKey, Role, Service, ServicePackage, Site,
    UserName,
};
pub use network::{InterfaceAddress, InvalidPrefix, MacAddress, Prefix};
pub use observed::{
    Account, AccountGroup, AuthorizedKey, CronEntry, Listener, Observed, ObservedJail, ObservedService,
    PrivilegeRule, RebootNeed, ServiceManager, Software, SoftwareKind, StaleProcess, Transport,
};
pub use package::{Architecture, InstalledPackage, PackageName, PackageVersion, Version};
pub use plan::{
    Change, Condition, Content, ContentPiece, DiffLine, HostPlan, Plan, Probe, Risk, SecretVersion, Step,
    StepOutcome,
};
pub use platform::{Ecosystem, Platform, Release, ReleaseScope, Repository, UnknownPlatform};
pub use problem::{Level, Place, Problem};
pub use purl::{InvalidPurl, PURL_BYTES_MAX, PackageUrl};
pub use run::RunId;
pub use selector::{HostAttributes, Selector, SelectorError};
pub use text::{ClientName, GroupName, HostName, InvalidName, PersonName, ServiceName, SiteName, Tag};
pub use version::{InvalidVersion, VersionScheme};
