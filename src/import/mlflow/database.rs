//! The SQLite file of an MLflow tracking server.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

use super::run::{Found, Run, Value, choose, is_taken, value_of};
use crate::import::{Ask, Trouble};

/// How long a server that writes at the moment is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the runs of the experiments that are asked for, in the order of their start.
///
/// # Errors
/// The file is no MLflow's, cannot be read, or has no such experiment.
pub(super) fn read(path: &Path, ask: &Ask) -> Result<Found, Trouble> {
    let place = path.display().to_string();
    let broken = |error: rusqlite::Error| {
        let hint = "it should be the file behind `mlflow server --backend-store-uri sqlite:///FILE`";
        Trouble::new(&place, format!("it cannot be read as MLflow's SQLite file: {error}"), hint)
    };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(broken)?;
    is_mlflow(&db, &place)?;
    db.busy_timeout(PATIENCE).map_err(broken)?;
    // One moment of it, though a server may write on.
    let db = db.unchecked_transaction().map_err(broken)?;
    let all = experiments(&db).map_err(broken)?;
    let chosen = choose(&place, &all, ask)?;
    let mut found = Found::default();
    for (id, name) in &chosen {
        let runs = runs(&db, id, name).map_err(broken)?;
        found.names.extend(runs.values().map(|run| (run.id.clone(), run.name.clone())));
        read_values(&db, id, runs, &mut found, ask).map_err(broken)?;
    }
    found.runs.sort_by(|a, b| (a.began, &a.id).cmp(&(b.began, &b.id)));
    Ok(found)
}

/// Tells an MLflow file from others, our own journals above all.
fn is_mlflow(db: &Connection, place: &str) -> Result<(), Trouble> {
    let tables = |names: &str, count: i64| {
        let sql = format!("SELECT count(*) = {count} FROM sqlite_master WHERE type = 'table' AND name IN ({names})");
        db.query_row(&sql, [], |row| row.get::<_, bool>(0)).unwrap_or(false)
    };
    match () {
        () if tables("'experiments', 'runs', 'metrics', 'params', 'tags'", 5) => Ok(()),
        () if tables("'input', 'trial', 'stop'", 3) => {
            Err(Trouble::new(place, "this is a journal of earlystop already", "give it to `earlystop replay`"))
        }
        () => Err(Trouble::new(
            place,
            "an SQLite file, but not MLflow's",
            "it has no tables experiments, runs and metrics",
        )),
    }
}

/// Id and name.
fn experiments(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT CAST(experiment_id AS TEXT), name FROM experiments WHERE lifecycle_stage = 'active' ORDER BY experiment_id";
    db.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn runs(db: &Connection, experiment: &str, name: &str) -> rusqlite::Result<HashMap<String, Run>> {
    let sql = "SELECT run_uuid, coalesce(name, ''), coalesce(status, ''), start_time, end_time FROM runs
               WHERE CAST(experiment_id AS TEXT) = ? AND lifecycle_stage = 'active'";
    let run = |row: &Row<'_>| {
        let id: String = row.get(0)?;
        let experiment = name.to_string();
        let (name, status, began, ended) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((id.clone(), Run { id, name, experiment, status, began, ended, ..Run::default() }))
    };
    let mut runs: HashMap<String, Run> =
        db.prepare(sql)?.query_map([experiment], run)?.collect::<rusqlite::Result<_>>()?;
    for table in ["params", "tags"] {
        let sql = format!(
            "SELECT t.run_uuid, t.key, coalesce(t.value, '') FROM {table} t JOIN runs r ON r.run_uuid = t.run_uuid
             WHERE CAST(r.experiment_id AS TEXT) = ? AND r.lifecycle_stage = 'active'"
        );
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query([experiment])?;
        while let Some(row) = rows.next()? {
            let Some(run) = runs.get_mut(row.get_ref(0)?.as_str()?) else { continue };
            let own = if table == "params" { &mut run.params } else { &mut run.tags };
            own.insert(row.get(1)?, row.get(2)?);
        }
    }
    // Servers before 1.26 kept the name in a tag only.
    for run in runs.values_mut().filter(|run| run.name.is_empty()) {
        run.name = run.tags.get("mlflow.runName").cloned().unwrap_or_default();
    }
    Ok(runs)
}

/// The values of the runs that have the metric.
fn read_values(
    db: &Connection,
    experiment: &str,
    mut runs: HashMap<String, Run>,
    found: &mut Found,
    ask: &Ask,
) -> rusqlite::Result<()> {
    let sql = "SELECT m.run_uuid, m.key, m.value, m.timestamp, m.step, m.is_nan
               FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid
               WHERE CAST(r.experiment_id AS TEXT) = ? AND r.lifecycle_stage = 'active'";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([experiment])?;
    while let Some(row) = rows.next()? {
        let metric = row.get_ref(1)?.as_str()?;
        let Some(run) = runs.get_mut(row.get_ref(0)?.as_str()?).filter(|_| is_taken(metric)) else { continue };
        if !found.metrics.contains(metric) {
            found.metrics.insert(metric.to_string());
        }
        let value = if row.get::<_, bool>(5)? { f64::NAN } else { value_of(row.get(2)?) };
        run.values.push(Value { metric: metric.to_string(), step: row.get(4)?, at: row.get(3)?, value });
    }
    let has_it = |run: &Run| run.values.iter().any(|value| value.metric == ask.metric);
    found.runs.extend(runs.into_values().filter(has_it));
    Ok(())
}
