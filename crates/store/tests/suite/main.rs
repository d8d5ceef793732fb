//! One suite of tests for both databases. On SQLite each case is a test of its own; on PostgreSQL
//! all of them are one test, so that one server serves them, each in a database of its own.

mod bell;
mod changes;
mod concurrency;
mod feed_parts;
mod feeds;
mod fleet;
mod history;
mod incidents;
mod inventory;
mod keys;
mod maintenance;
mod observed;
mod opening;
mod plans;
mod postings;
mod record_log;
mod run_processes;
mod runs;
mod scoping;
mod secrets;
mod sets;

use std::panic::AssertUnwindSafe;

use store::{DatabaseUrl, Store};

/// A database of its own for one case.
#[derive(Clone)]
pub struct Place {
    url: DatabaseUrl,
    text: String,
}

impl Place {
    /// Opens it; every call is another handle with connections of its own.
    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.expect("the database opens")
    }

    /// Says which of the two databases it is.
    pub fn is_postgres(&self) -> bool {
        self.text.starts_with("postgres:")
    }
}

macro_rules! suite {
    ($($module:ident::$case:ident,)*) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                let directory = tempfile::tempdir().expect("a directory");
                let text = directory.path().join("ifrit.db").display().to_string();
                crate::run(&text, crate::$module::$case);
            })*
        }

        #[test]
        fn postgres_passes_the_suite() {
            let Some(programs) = testkit::Postgres::programs() else { return skipped() };
            let server = testkit::Postgres::start(&programs).expect("the server starts");
            let mut failed = Vec::new();
            $({
                let text = server.create_database(stringify!($case)).expect("a database");
                let case = AssertUnwindSafe(|| run(&text, $module::$case));
                if std::panic::catch_unwind(case).is_err() {
                    failed.push(stringify!($case));
                }
            })*
            assert!(failed.is_empty(), "on PostgreSQL: {failed:?}");
        }
    };
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped() {
    eprintln!(
        "SKIPPED: postgres_passes_the_suite: no PostgreSQL server here (Debian: apt-get install postgresql)"
    );
}

fn run<F: Future<Output = ()>>(text: &str, case: impl FnOnce(Place) -> F) {
    let url = DatabaseUrl::parse(text).expect("a database URL");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(case(Place { url, text: text.to_owned() }));
}

suite! {
    bell::a_message_is_sent_by_one_and_kept_until_it_arrives,
    bell::what_is_announced_is_kept_whole_or_not_at_all,
    changes::every_border_is_told_once,
    changes::pages_join_without_gap_or_repeat,
    changes::random_histories_are_replayed_from_their_changes,
    concurrency::two_handles_write_in_turn,
    concurrency::first_opens_at_once_make_one_schema,
    concurrency::a_reader_sees_one_state,
    concurrency::a_call_that_is_dropped_anywhere_leaves_nothing,
    feed_parts::scores_are_the_last_forecast,
    feed_parts::news_is_kept_and_linked,
    feed_parts::documents_are_replaced_as_a_set,
    feed_parts::an_unchanged_feed_is_confirmed,
    feeds::advisories_come_back_by_any_id_in_any_case,
    feeds::a_change_is_a_revision_and_the_rest_is_left_alone,
    feeds::a_snapshot_that_lost_most_entries_is_refused,
    feeds::feeds_are_kept_apart,
    feeds::a_failed_sync_shows_and_changes_nothing,
    feeds::exploited_vulnerabilities_come_and_go,
    feeds::coverage_is_the_last_snapshots,
    feeds::bad_entries_are_reported_and_the_others_count,
    feeds::ecosystems_are_told_apart,
    feeds::what_was_known_at_a_time_comes_back,
    feeds::advisories_come_back_by_package,
    history::packages_of_any_moment_are_known,
    history::a_failed_collection_closes_nothing,
    history::what_was_not_read_stays,
    history::an_unsupported_system_ends_what_was_known,
    history::an_older_collection_changes_no_state,
    history::two_looks_at_one_instant_leave_the_last,
    history::a_host_twice_in_a_batch_is_recorded_twice,
    history::undeclared_hosts_are_reported,
    history::hostile_texts_come_back_harmless,
    history::more_hosts_than_a_batch_are_recorded,
    incidents::an_incident_comes_back_as_it_was_opened,
    incidents::incidents_are_numbered_within_their_year,
    incidents::an_incident_goes_its_way,
    incidents::what_cannot_be_said_of_an_incident_is_refused,
    incidents::evidence_is_kept_and_cannot_be_changed,
    incidents::the_time_line_is_the_incidents_own,
    incidents::an_incident_is_seen_through_the_scope,
    incidents::exceptions_are_those_of_the_last_inventory,
    incidents::an_exception_of_a_host_is_for_its_jails,
    incidents::it_is_known_since_when_a_host_has_something,
    incidents::the_first_word_of_a_feed_is_known,
    inventory::hosts_are_added_retired_and_revived,
    inventory::a_host_that_moves_leaves_its_history,
    inventory::the_same_inventory_changes_nothing,
    inventory::an_address_may_change,
    inventory::services_are_those_of_the_last_inventory,
    inventory::the_source_of_the_inventory_is_kept,
    inventory::clients_are_known_for_good,
    keys::keys_are_trusted_and_revoked,
    maintenance::a_sound_database_passes_and_a_wrong_bit_does_not,
    observed::items_come_back_and_what_was_not_read_stays,
    observed::a_boot_time_may_wobble,
    observed::jails_are_hosts_of_their_own,
    opening::a_newer_schema_is_refused,
    opening::an_older_database_is_brought_up_to_date,
    opening::another_schema_is_refused,
    opening::what_was_written_is_there_after_reopening,
    plans::plans_come_back_as_they_were_saved,
    plans::a_plan_is_found_by_the_beginning_of_its_id,
    plans::plans_that_cannot_be_are_refused,
    plans::a_plan_of_several_clients_is_seen_in_part,
    plans::approvals_hold_for_what_a_plan_says,
    plans::a_changed_plan_is_no_plan,
    postings::random_histories_keep_the_postings_right,
    postings::the_check_finds_a_wrong_bit,
    postings::the_dictionary_answers_by_name_and_source,
    record_log::records_come_back_in_their_order,
    record_log::an_intent_has_one_outcome,
    record_log::several_writers_leave_no_gap,
    record_log::appends_at_the_same_time_do_not_suffer_from_each_other,
    record_log::the_tree_grows_and_checkpoints_are_only_added_to,
    record_log::records_are_seen_through_the_scope,
    record_log::what_is_on_record_cannot_be_changed,
    record_log::a_changed_record_is_named,
    record_log::an_append_that_is_dropped_anywhere_leaves_nothing,
    record_log::long_and_hostile_records_are_kept,
    runs::a_run_goes_from_claim_to_end,
    runs::every_outcome_of_a_step_comes_back,
    runs::a_run_that_died_is_settled,
    runs::what_a_run_may_not_do_is_refused,
    runs::runs_are_seen_through_the_scope,
    runs::claims_end_are_renewed_and_given_back,
    runs::a_start_or_finish_that_is_dropped_anywhere_leaves_nothing,
    run_processes::one_of_several_processes_gets_a_host,
    run_processes::a_process_that_is_killed_leaves_whole_records,
    secrets::secrets_are_kept_sealed,
    secrets::a_secret_that_was_moved_or_changed_does_not_open,
    secrets::secrets_are_seen_through_the_scope,
    secrets::one_of_several_new_versions_counts,
    sets::a_line_tells_what_was_known_then,
    sets::pages_of_a_large_set_join,
    sets::random_histories_are_answered_for_every_moment,
    sets::software_is_filled_in_by_an_unchanged_scan,
    scoping::no_read_shows_another_clients_rows,
}
