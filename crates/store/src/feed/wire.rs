//! The body of an advisory as JSON: what no query looks into. Version 1:
//!
//! ```json
//! {"v": 1, "aliases": ["CVE-2024-6387"], "affected": [{"ecosystem": "alpine", "release": "3.20",
//!  "repository": "main", "package": {"exact": "openssh"}, "join_by": "source", "affects": {"ranges":
//!  {"ranges": [{"upper": {"version": "9.7_p1-r4", "inclusive": false}}], "earlier_fixes": []}}}]}
//! ```
//! Without `release`: every release. Without `repository`: the feed does not say. `affects` may be
//! `"not-affected"` or `"undetermined"`.

use model::{
    Affected, Affects, Bound, Ecosystem, JoinBy, PackageName, PackagePattern, Release, ReleaseScope,
    Repository, Version, VersionRange, VulnerabilityId,
};
use serde::{Deserialize, Serialize};

/// The version that this binary writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Body {
    v: u32,
    aliases: Vec<String>,
    affected: Vec<AffectedBody>,
}

#[derive(Serialize, Deserialize)]
struct AffectedBody {
    ecosystem: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    package: PackageBody,
    join_by: JoinByBody,
    affects: AffectsBody,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PackageBody {
    Exact(String),
    Glob(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JoinByBody {
    Binary,
    Source,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AffectsBody {
    NotAffected,
    Undetermined,
    Ranges { ranges: Vec<RangeBody>, earlier_fixes: Vec<String> },
}

#[derive(Serialize, Deserialize)]
struct RangeBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lower: Option<BoundBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upper: Option<BoundBody>,
}

#[derive(Serialize, Deserialize)]
struct BoundBody {
    version: String,
    inclusive: bool,
}

/// Writes a body.
pub(super) fn write_body(aliases: &[VulnerabilityId], affected: &[Affected]) -> String {
    let body = Body {
        v: VERSION,
        aliases: aliases.iter().map(ToString::to_string).collect(),
        affected: affected.iter().map(write_affected).collect(),
    };
    serde_json::to_string(&body).expect("invariant: strings, numbers and lists have a JSON form")
}

/// Reads what [`write_body`] wrote; the error says what is wrong with the text.
pub(super) fn read_body(text: &str) -> Result<(Vec<VulnerabilityId>, Vec<Affected>), String> {
    let body: Body = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if body.v != VERSION {
        return Err(format!("body of an advisory has version {}, expected {VERSION}", body.v));
    }
    let affected: Result<_, String> = body.affected.into_iter().map(read_affected).collect();
    Ok((body.aliases.into_iter().map(VulnerabilityId::new).collect(), affected?))
}

fn write_affected(affected: &Affected) -> AffectedBody {
    AffectedBody {
        ecosystem: affected.ecosystem.as_str().to_owned(),
        release: match &affected.release {
            ReleaseScope::Any => None,
            ReleaseScope::Only(release) => Some(release.to_string()),
        },
        repository: affected.repository.as_ref().map(ToString::to_string),
        package: match &affected.package {
            PackagePattern::Exact(name) => PackageBody::Exact(name.to_string()),
            PackagePattern::Glob(pattern) => PackageBody::Glob(pattern.clone()),
        },
        join_by: match affected.join_by {
            JoinBy::Binary => JoinByBody::Binary,
            JoinBy::Source => JoinByBody::Source,
        },
        affects: match &affected.affects {
            Affects::NotAffected => AffectsBody::NotAffected,
            Affects::Undetermined => AffectsBody::Undetermined,
            Affects::Ranges { ranges, earlier_fixes } => AffectsBody::Ranges {
                ranges: ranges.iter().map(write_range).collect(),
                earlier_fixes: earlier_fixes.iter().map(ToString::to_string).collect(),
            },
        },
    }
}

fn write_range(range: &VersionRange) -> RangeBody {
    let bound =
        |bound: &Bound| BoundBody { version: bound.version.to_string(), inclusive: bound.is_inclusive };
    RangeBody { lower: range.lower.as_ref().map(bound), upper: range.upper.as_ref().map(bound) }
}

fn read_affected(body: AffectedBody) -> Result<Affected, String> {
    let ecosystem = Ecosystem::parse(&body.ecosystem);
    Ok(Affected {
        ecosystem: ecosystem.ok_or_else(|| format!("ecosystem `{}` is not known", body.ecosystem))?,
        release: match body.release {
            None => ReleaseScope::Any,
            Some(release) => ReleaseScope::Only(Release::new(release)),
        },
        repository: body.repository.map(Repository::new),
        package: match body.package {
            PackageBody::Exact(name) => PackagePattern::Exact(PackageName::new(name)),
            PackageBody::Glob(pattern) => PackagePattern::Glob(pattern),
        },
        join_by: match body.join_by {
            JoinByBody::Binary => JoinBy::Binary,
            JoinByBody::Source => JoinBy::Source,
        },
        affects: match body.affects {
            AffectsBody::NotAffected => Affects::NotAffected,
            AffectsBody::Undetermined => Affects::Undetermined,
            AffectsBody::Ranges { ranges, earlier_fixes } => Affects::Ranges {
                ranges: ranges.into_iter().map(read_range).collect(),
                earlier_fixes: earlier_fixes.into_iter().map(Version::new).collect(),
            },
        },
    })
}

fn read_range(body: RangeBody) -> VersionRange {
    let bound = |body: BoundBody| Bound { version: Version::new(body.version), is_inclusive: body.inclusive };
    VersionRange { lower: body.lower.map(bound), upper: body.upper.map(bound) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = VersionRange> {
        let bound = || {
            option::of((any::<String>(), any::<bool>())).prop_map(|bound| {
                bound.map(|(version, is_inclusive)| Bound { version: Version::new(version), is_inclusive })
            })
        };
        (bound(), bound()).prop_map(|(lower, upper)| VersionRange { lower, upper })
    }

    fn affected() -> impl Strategy<Value = Affected> {
        let release = prop_oneof![
            Just(ReleaseScope::Any),
            any::<String>().prop_map(|release| ReleaseScope::Only(Release::new(release))),
        ];
        let package = prop_oneof![
            any::<String>().prop_map(|name| PackagePattern::Exact(PackageName::new(name))),
            any::<String>().prop_map(PackagePattern::Glob),
        ];
        let affects = prop_oneof![
            Just(Affects::NotAffected),
            Just(Affects::Undetermined),
            (vec(range(), 0..4), vec(any::<String>(), 0..3)).prop_map(|(ranges, fixes)| Affects::Ranges {
                ranges,
                earlier_fixes: fixes.into_iter().map(Version::new).collect()
            }),
        ];
        let join_by = prop_oneof![Just(JoinBy::Binary), Just(JoinBy::Source)];
        let ecosystem = proptest::sample::select(&Ecosystem::ALL[..]);
        let repository = option::of(any::<String>().prop_map(Repository::new));
        (ecosystem, release, repository, package, join_by, affects).prop_map(
            |(ecosystem, release, repository, package, join_by, affects)| Affected {
                ecosystem,
                release,
                repository,
                package,
                join_by,
                affects,
            },
        )
    }

    proptest! {
        #[test]
        fn bodies_come_back(aliases in vec(any::<String>(), 0..4), affected in vec(affected(), 0..4)) {
            let aliases: Vec<_> = aliases.into_iter().map(VulnerabilityId::new).collect();
            let text = write_body(&aliases, &affected);
            prop_assert_eq!(read_body(&text), Ok((aliases, affected)));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = read_body(&text);
        }
    }

    #[test]
    fn the_format_of_version_1_stays_readable() {
        let text = r#"{"v":1,"aliases":["CVE-2024-6387"],"affected":[{"ecosystem":"alpine","release":"3.20","repository":"main","package":{"exact":"openssh"},"join_by":"source","affects":{"ranges":{"ranges":[{"upper":{"version":"9.7_p1-r4","inclusive":false}}],"earlier_fixes":[]}}},{"ecosystem":"freebsd","package":{"glob":"py3*-x"},"join_by":"binary","affects":"not-affected"}]}"#;
        let (aliases, affected) = read_body(text).expect("version 1");
        assert_eq!(write_body(&aliases, &affected), text);
        let newer = text.replacen("\"v\":1", "\"v\":2", 1);
        assert!(read_body(&newer).is_err());
    }
}
