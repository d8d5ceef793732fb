//! Reading packages: of a host, and from the dictionary.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{
    Architecture, Ecosystem, HostName, InstalledPackage, PackageName, PackageVersion, Platform, Release,
    Repository, Version,
};

use crate::db::Store;
use crate::error::StoreError;
use crate::hosts::read_ecosystem;
use crate::posting::{load_sets, versions_at};
use crate::record::{ClientScope, PackageVersionId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

const READ_DICTIONARY: &str = "read the package dictionary";

/// The columns that [`read_package`] reads, of what is asked for.
const PACKAGES: &str = "SELECT p.id, p.ecosystem, p.release, p.repository, p.name, p.version, p.source, \
                        p.source_version, p.architecture FROM (VALUES";

impl Store {
    /// Returns the packages of a host (its software outside of them is [`Store::software_of`]), sorted: those of now, or those it had at a time by what was
    /// known later. `None`: not declared (then, for a time: under any client in the scope), not in
    /// the scope, or its packages are not known.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn packages_of(
        &self,
        scope: &ClientScope,
        host: &HostName,
        at: Option<Timestamp>,
    ) -> Result<Option<Vec<PackageVersion>>, StoreError> {
        let mut tx = self.read("read the packages of a host").await?;
        let head = "SELECT p.package_set_id, p.valid_from FROM host h \
                    JOIN host_package_set p ON p.host_id = h.id WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "h.client_id", scope)?;
        query.push(" AND h.name =").push_value(host.as_str());
        match at {
            None => query.push(" AND h.retired_at IS NULL AND p.valid_to IS NULL"),
            Some(at) => {
                query.push(" AND p.valid_from <=").push_value(at);
                query.push(" AND (p.valid_to IS NULL OR p.valid_to >").push_value(at).push(")")
            }
        };
        let read = |row: &Row| Ok((row.get::<i64>(1)?, row.get::<i64>(0)?));
        let Some((_, set)) = query.fetch(&mut tx, read).await?.into_iter().max() else { return Ok(None) };
        let sets = load_sets(&mut tx, [set].into()).await?;
        let ids = sets.get(&set).ok_or_else(|| tx.damaged(format!("package set {set} is missing")))?;
        let packages = by_id(&mut tx, ids).await?;
        if packages.len() != ids.len() {
            return Err(
                tx.damaged(format!("package set {set} names packages that are not in the dictionary"))
            );
        }
        let mut packages: Vec<PackageVersion> = packages.into_values().collect();
        packages.sort();
        Ok(Some(packages))
    }

    /// Returns every package version ever seen whose binary or source name is one of these, of
    /// whatever release, sorted by id. The dictionary belongs to no client: which host in a scope
    /// has a version now says [`Store::hosts_with`], and often none has.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn package_versions_named(
        &self,
        names: &[(Ecosystem, PackageName)],
    ) -> Result<Vec<(PackageVersionId, PackageVersion)>, StoreError> {
        let mut tx = self.read(READ_DICTIONARY).await?;
        let mut found = BTreeMap::new();
        for column in ["name", "source"] {
            // A join and not `(..) IN (VALUES ..)`, for which SQLite would read the whole table.
            let tail = format!(
                ") AS v CROSS JOIN package_version p WHERE p.ecosystem = v.column1 AND p.{column} = v.column2"
            );
            let names =
                names.iter().map(|(ecosystem, name)| [ecosystem.as_str().into(), name.as_str().into()]);
            found.extend(tx.fetch_rows(PACKAGES, &tail, names.collect(), read_package).await?);
        }
        Ok(found.into_iter().map(|(id, package)| (PackageVersionId(id), package)).collect())
    }

    /// Returns package versions by their ids, sorted by id; unknown ids are left out.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn package_versions_by_id(
        &self,
        ids: &[PackageVersionId],
    ) -> Result<Vec<(PackageVersionId, PackageVersion)>, StoreError> {
        let mut tx = self.read(READ_DICTIONARY).await?;
        let found = by_id(&mut tx, &ids.iter().map(|id| id.0).collect::<Vec<_>>()).await?;
        Ok(found.into_iter().map(|(id, package)| (PackageVersionId(id), package)).collect())
    }

    /// Returns every package version, of packages and of software outside of them, that a declared host in
    /// the scope has, now or at a time by what was known later, sorted by id: what is matched with all
    /// advisories at once.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn package_versions_in_use(
        &self,
        scope: &ClientScope,
        at: Option<Timestamp>,
    ) -> Result<Vec<(PackageVersionId, PackageVersion)>, StoreError> {
        let mut tx = self.read(READ_DICTIONARY).await?;
        let ids: Vec<i64> = match at {
            None => versions_now(&mut tx, scope).await?,
            Some(at) => versions_at(&mut tx, scope, at).await?.into_iter().collect(),
        };
        let found = by_id(&mut tx, &ids).await?;
        Ok(found.into_iter().map(|(id, package)| (PackageVersionId(id), package)).collect())
    }

    /// Returns every name, binary or source, that any package version of an ecosystem ever had,
    /// sorted. For patterns: filter these, then ask [`Store::package_versions_named`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn package_names(&self, ecosystem: Ecosystem) -> Result<Vec<PackageName>, StoreError> {
        let mut tx = self.read(READ_DICTIONARY).await?;
        let sql = "SELECT name FROM package_version WHERE ecosystem = $1 \
                   UNION SELECT source FROM package_version WHERE ecosystem = $1";
        let read = |row: &Row| Ok(PackageName::new(row.get::<String>(0)?));
        let mut names = tx.fetch(sql, vec![ecosystem.as_str().into()], read).await?;
        names.sort();
        Ok(names)
    }
}

/// Returns the package versions that have a posting list in the scope.
async fn versions_now(tx: &mut Tx, scope: &ClientScope) -> Result<Vec<i64>, StoreError> {
    // From one version to the next over the key, since `SELECT DISTINCT` would read every bitmap.
    let head = "WITH RECURSIVE v (id) AS (SELECT min(package_version_id) FROM posting UNION ALL \
                SELECT (SELECT min(p.package_version_id) FROM posting p WHERE p.package_version_id > v.id) \
                FROM v WHERE v.id IS NOT NULL) \
                SELECT v.id FROM v WHERE v.id IS NOT NULL \
                AND EXISTS (SELECT 1 FROM posting p WHERE p.package_version_id = v.id";
    let mut query = ScopedQuery::new(tx, head, "p.client_id", scope)?;
    query.push(")");
    query.fetch(tx, |row| row.get(0)).await
}

/// Reads package versions by their ids.
pub(crate) async fn by_id(tx: &mut Tx, ids: &[i64]) -> Result<BTreeMap<i64, PackageVersion>, StoreError> {
    let tail = ") AS v CROSS JOIN package_version p WHERE p.id = v.column1";
    let found =
        tx.fetch_rows(PACKAGES, tail, ids.iter().map(|id| [(*id).into()]).collect(), read_package).await?;
    Ok(found.into_iter().collect())
}

fn read_package(row: &Row) -> Result<(i64, PackageVersion), sqlx::Error> {
    let platform =
        Platform { ecosystem: read_ecosystem(row.get(1)?)?, release: Release::new(row.get::<String>(2)?) };
    let package = InstalledPackage {
        repository: Repository::new(row.get::<String>(3)?),
        name: PackageName::new(row.get::<String>(4)?),
        version: Version::new(row.get::<String>(5)?),
        source: PackageName::new(row.get::<String>(6)?),
        source_version: Version::new(row.get::<String>(7)?),
        architecture: Architecture::new(row.get::<String>(8)?),
    };
    Ok((row.get(0)?, PackageVersion { platform, package }))
}
