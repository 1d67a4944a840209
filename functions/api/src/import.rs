//! `POST /v1/contacts/import`: contacts from a CSV, at once or as a job.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::ids::Ids;
use engine::contacts::RowRefused;
use engine::model::{Caller, RowError};
use engine::{Engine, Ports};
use futures::future::join_all;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::enrollments::JobStarted;
use crate::extract::{Asked, By, NewIds, Raw};
use crate::problem::{FieldError, Problem};
use crate::routes::{Route, post};
use crate::wire::id;

/// More rows than this are answered by a job.
const MAX_AT_ONCE: usize = 2_000;
/// Rows that are worked on side by side.
const BATCH: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    job_id: Option<String>,
    last: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct ImportReport {
    created: u32,
    updated: u32,
    failed: u32,
    errors: Vec<RowError>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        post("/v1/contacts/import", Role::Agent, import::<P>)
            .says("Import contacts from a CSV with a header row")
            .asks("job_id", "the job that this part of a larger file belongs to")
            .asks("last", "whether this is the last part")
            .takes_csv()
            .gives::<ImportReport>(200, "up to 2,000 rows: done")
            .gives::<JobStarted>(202, "more: a job that ends with the same report"),
    ]
}

async fn import<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Asked(query): Asked<ImportQuery>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let job = query.job_id.as_deref().map(id).transpose()?;
    let rows = read(&body)?;
    // A file in one request is complete; a part is not the last one unless it says so.
    let last = query.last.unwrap_or(job.is_none());
    if job.is_none() && last && rows.len() <= MAX_AT_ONCE {
        return Ok(axum::Json(import_now(&engine, &caller, &rows, &mut ids).await?).into_response());
    }
    let job = engine.import_many(&caller, job, last, rows, &mut ids).await.map_err(Problem::of_path)?;
    Ok((StatusCode::ACCEPTED, axum::Json(JobStarted { job_id: job.id })).into_response())
}

async fn import_now<P: Ports>(
    engine: &Engine<P>,
    caller: &Caller,
    rows: &[Map<String, Value>],
    ids: &mut Ids,
) -> Result<ImportReport, Problem> {
    let account = engine.account(caller.tenant).await?;
    let country = account.settings.default_country.as_deref();
    let mut report = ImportReport::default();
    for batch in batches(rows) {
        // Each row has ids of its own, by its place: a repeat makes the same.
        let mut seeds: Vec<Ids> = batch.iter().map(|_| Ids::from_seed(ids.bytes())).collect();
        let work =
            batch.iter().zip(&mut seeds).map(|((_, row), ids)| engine.import_row(caller.tenant, country, row, ids));
        for ((number, _), done) in batch.iter().zip(join_all(work).await) {
            match done {
                Ok(true) => report.created += 1,
                Ok(false) => report.updated += 1,
                Err(RowRefused::Row { field, code, detail }) => {
                    report.failed += 1;
                    report.errors.push(RowError { row: *number, field, code, detail });
                }
                // The whole file again: what is done becomes an update.
                Err(RowRefused::Port(error)) => return Err(error.into()),
            }
        }
    }
    Ok(report)
}

type Numbered<'a> = (u32, &'a Map<String, Value>);

/// Rows side by side, in order where it counts: of two rows about one person the later one wins, so
/// they never stand in the same batch.
fn batches(rows: &[Map<String, Value>]) -> Vec<Vec<Numbered<'_>>> {
    const IDENTITIES: [&str; 4] = ["external_id", "email", "phone", "whatsapp_id"];
    let mut all: Vec<Vec<Numbered<'_>>> = Vec::new();
    let mut taken: HashSet<String> = HashSet::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = IDENTITIES.iter().filter_map(|name| row.get(*name).and_then(Value::as_str));
        let names: Vec<String> = cells.map(plain).filter(|n| !n.is_empty()).collect();
        let full = all.last().is_none_or(|batch| batch.len() == BATCH);
        if full || names.iter().any(|n| taken.contains(n)) {
            all.push(Vec::with_capacity(BATCH));
            taken.clear();
        }
        taken.extend(names);
        if let Some(batch) = all.last_mut() {
            batch.push((index as u32 + 1, row));
        }
    }
    all
}

/// Two ways to write one address look alike; two addresses that look alike only lose a little time.
fn plain(cell: &str) -> String {
    let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        8.. => digits[digits.len() - 8..].to_owned(),
        _ => cell.trim().to_lowercase(),
    }
}

/// The data rows, each as an object of its columns. Cells beyond the header stand under `""`, where
/// the row is refused when it is worked on.
fn read(body: &[u8]) -> Result<Vec<Map<String, Value>>, Problem> {
    let refuse = |code, detail: String| Problem::invalid(vec![FieldError::new("", code, detail)]);
    let text = std::str::from_utf8(body).map_err(|error| {
        let line = body[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        refuse("invalid_encoding", format!("line {line} is not UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    // Spreadsheets of countries with a decimal comma write semicolons.
    let delimiter = if first.contains(';') && !first.contains(',') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| refuse("malformed_csv", e.to_string()))?.clone();
    if header.iter().all(str::is_empty) {
        return Err(refuse("required", "the first row must name the columns".into()));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !name.is_empty() && !seen.insert(*name)) {
        return Err(refuse("duplicate_column", format!("the column `{twice}` is there twice")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| refuse("malformed_csv", e.to_string()))?;
        let cells = record.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
        let named = cells.map(|(i, cell)| (header.get(i).unwrap_or_default().to_owned(), Value::from(cell)));
        rows.push(named.collect());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_objects_of_their_columns() {
        let check = |text: &str, expected: Value| {
            assert_eq!(
                serde_json::to_value(read(text.as_bytes()).expect("is fine")).expect("json"),
                expected,
                "{text}"
            );
        };
        check("email,plan\na@b.co,pro\n", json!([{"email": "a@b.co", "plan": "pro"}]));
        check("\u{feff}email;plan\r\n a@b.co ;\"x;y\"\r\n", json!([{"email": "a@b.co", "plan": "x;y"}]));
        check("email,plan\na@b.co\nb@b.co,,extra\n", json!([{"email": "a@b.co"}, {"email": "b@b.co", "": "extra"}]));
        check("email\n", json!([]));
    }

    #[test]
    fn what_is_no_csv_is_refused_whole() {
        let check = |body: &[u8], code: &str| {
            let problem = read(body).expect_err("is wrong");
            assert_eq!((problem.status.as_u16(), &*problem.code), (422, code));
        };
        check(b"", "required");
        check(b"email\n\xff\xfe\n", "invalid_encoding");
        check(b"email,email\n", "duplicate_column");
    }

    #[test]
    fn rows_about_one_person_keep_their_order() {
        let row =
            |email: &str, phone: &str| json!({"email": email, "phone": phone}).as_object().cloned().expect("an object");
        let rows =
            [row("a@b.co", ""), row("b@b.co", "+55 11 98765-4321"), row("A@b.co", ""), row("c@b.co", "5511987654321")];
        let numbers: Vec<Vec<u32>> = batches(&rows).iter().map(|b| b.iter().map(|(n, _)| *n).collect()).collect();
        assert_eq!(numbers, [vec![1, 2], vec![3, 4]]);
        let many: Vec<_> = (0..40).map(|i| row(&format!("{i}@b.co"), "")).collect();
        assert_eq!(batches(&many).iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
    }
}
