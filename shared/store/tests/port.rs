//! The port's contract, kept by the real store on an embedded DynamoDB and by the fake in memory.

#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

mod common;
mod contract;

/// Runs a contract's function on a store of its own: the real one, then the fake.
macro_rules! keeps {
    ($($subject:ident: $($case:ident),+;)+) => {
        mod dynamo {
            $(mod $subject {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $case() {
                        crate::contract::$subject::$case(&crate::common::store().await).await;
                    }
                )+
            })+
        }
        mod memory {
            $(mod $subject {
                $(
                    #[tokio::test]
                    async fn $case() {
                        crate::contract::$subject::$case(&testkit::memory::MemoryStore::default()).await;
                    }
                )+
            })+
        }
    };
}

keeps! {
    accounts:
        an_account_is_created_once_and_saved_over_its_revision,
        a_key_works_until_it_is_deleted,
        senders_are_listed_and_saved_over_their_revision,
        an_attribute_is_declared_once_for_each_kind;
    contacts:
        a_contact_is_found_by_its_identities,
        one_of_two_contacts_gets_the_phone,
        every_identity_that_is_taken_is_named,
        a_contact_is_written_over_the_revision_before,
        an_identity_moves,
        a_contact_has_so_many_identities,
        conversations_and_targets_belong_to_a_person;
    limits:
        slots_are_evenly_spaced_from_now_on,
        none_is_taken_after_the_latest,
        reservers_at_once_get_slots_of_their_own,
        a_day_has_so_many_messages,
        takers_at_once_get_no_more_than_the_day_has,
        the_first_day_stays,
        what_is_written_gives_back_once,
        of_rivals_one_gives_back;
    enrollments:
        what_is_written_is_read,
        one_of_many_inserts_wins,
        one_of_many_claims_wins,
        a_claim_needs_its_generation_step_and_state,
        a_commit_is_over_the_revision_before,
        nothing_rises_from_the_dead,
        the_due_index_follows_wake,
        due_is_earliest_first_and_limited,
        a_push_back_loses_to_every_new_plan,
        a_person_is_everything_hot_at_once;
    jobs:
        a_job_created_twice_keeps_its_parts,
        rows_are_counted_once_however_many_work_on_them,
        many_parts_add_up,
        parts_are_added_over_the_revision_before,
        more_rows_than_a_transaction_holds_are_added;
    lists:
        contacts_come_once_each_newest_first,
        enrollments_are_listed_by_every_filter,
        a_cursor_is_refused_elsewhere;
    messages:
        a_message_written_twice_is_one_record,
        a_suppression_is_found_by_address_and_deleted_by_id;
    once:
        one_of_many_requests_with_a_key_runs,
        a_lapsed_request_is_taken_over_with_its_seed,
        a_key_given_back_is_free;
    payments:
        sources_are_listed_and_saved_over_their_revision,
        what_matched_nobody_is_one_entry_until_it_expires,
        everybody_with_a_target_is_found_by_its_name,
        a_target_is_never_seen_before_its_owner_is_found;
    races:
        a_claim_and_a_finish_know_of_each_other,
        two_enrollments_know_of_each_other,
        a_late_settlement_and_a_resolution_know_of_each_other,
        a_commit_and_a_push_back_know_of_each_other,
        a_claim_and_a_push_back_know_of_each_other;
    sequences:
        a_draft_is_saved_over_its_revision,
        publishing_writes_both_or_nothing,
        what_tests_run_on_is_written_once_and_not_listed;
    templates:
        a_template_is_saved_over_its_revision;
}

#[tokio::test]
async fn secrets_in_the_table() {
    testkit::contract::secrets_are_read_as_they_were_put(&common::store().await, [1; 32]).await;
}

#[tokio::test]
async fn secrets_in_memory() {
    testkit::contract::secrets_are_read_as_they_were_put(&testkit::memory::MemorySecrets::default(), [1; 32]).await;
}
