//! What is written fast is what is written carefully.

use model::ClientName;
use proptest::prelude::*;

use super::*;
use crate::record_log::canonical::fitted;
use crate::record_log::{NewRecord, RecordBody, RecordKind, RecordNumber, canonical_record, leaf_hash};
use crate::url::DatabaseUrl;
use crate::via::Via;

fn records() -> impl Strategy<Value = NewRecord> {
    let texts = (any::<String>(), any::<String>(), any::<String>());
    let more = (any::<Option<String>>(), any::<Option<String>>(), any::<Option<String>>());
    let hashes = (any::<Option<[u8; 32]>>(), any::<Option<[u8; 32]>>(), any::<Option<[u8; 32]>>());
    let rest = (any::<[u8; 16]>(), any::<bool>(), any::<String>(), 0_i64..4_000_000_000_000_000);
    (texts, more, hashes, rest).prop_map(|(texts, more, hashes, rest)| NewRecord {
        at: Timestamp::from_microsecond(rest.3).expect("in range"),
        kind: RecordKind::Event,
        actor: texts.0,
        via: Via::Api,
        client: rest.1.then(|| ClientName::new("acme").expect("a name")),
        target: texts.1,
        action: texts.2,
        reason: more.0,
        plan: hashes.0,
        commit: more.1,
        before: hashes.1,
        after: hashes.2,
        outcome: more.2,
        body: RecordBody::default().with(&rest.2, rest.2.as_str()),
        salt: rest.0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn leaves_made_of_columns_are_those_of_records(records in proptest::collection::vec(records(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Store::open(&DatabaseUrl::sqlite(&folder.path().join("ifrit.db"))).await.expect("opened");
            let client = model::Client { name: ClientName::new("acme").expect("a name"), title: String::new(), place: model::Place::Nowhere };
            let inventory = model::Inventory { clients: vec![client], ..model::Inventory::default() };
            store.sync_inventory(&inventory, None, Timestamp::UNIX_EPOCH).await.expect("synced");
            store.append_all(&records).await.expect("written");
            let sealed = store.sealed_records(&ClientScope::All, 1, 100).await.expect("read");
            for ((record, sealed), number) in records.iter().zip(&sealed).zip(1..) {
                let bytes = canonical_record(RecordNumber(number), &fitted(record));
                assert_eq!(sealed.canonical.as_bytes(), bytes);
                assert_eq!(sealed.leaf, leaf_hash(&record.salt, &bytes));
            }
            let walk = store.walk_record(&BTreeSet::new()).await.expect("walked");
            assert_eq!((walk.records, walk.faults), (records.len() as u64, vec![]));
        });
    }
}
