//! An MLflow tracking server, over its REST API (`/api/2.0/mlflow/`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::run::{Found, Run, Value, choose, is_taken, value_of};
use crate::import::http::{self, Credentials, Http};
use crate::import::{Ask, Trouble};

/// Experiments and runs that are asked for at once (MLflow's own client takes as many runs).
const PAGE: u64 = 1000;
/// Values that are asked for at once (the most that MLflow gives).
const VALUES: u64 = 25_000;
/// So many pages of one list are read; more of them mean that the server goes round in circles.
const MOST_PAGES: usize = 100_000;

/// Reads the runs of the experiments that are asked for, in the order of their start; and how the server is called.
///
/// # Errors
/// The server cannot be reached, refuses, or has no such experiment.
pub(super) fn read(address: &str, ask: &Ask) -> Result<(String, Found), Trouble> {
    let (endpoint, user) = http::endpoint(address)?;
    let place = endpoint.to_string();
    let http = Http::new(endpoint, credentials(user))?;
    let mut server = Server { place: place.clone(), http };
    let all = server.experiments()?;
    let chosen = choose(&place, &all, ask)?;
    let names: BTreeMap<&str, &str> = chosen.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    let mut found = Found::default();
    let ids: Vec<&str> = names.keys().copied().collect();
    for row in server
        .pages(Asked::Post("runs/search", json!({"experiment_ids": ids, "run_view_type": "ACTIVE_ONLY"})), "runs")?
    {
        let mut run = run(&row, &names);
        found.names.insert(run.id.clone(), run.name.clone());
        let metrics: BTreeSet<String> =
            pairs(&row["data"]["metrics"]).map(|(key, _)| key).filter(|key| is_taken(key)).collect();
        let wanted = metrics.contains(&ask.metric);
        found.metrics.extend(metrics.iter().cloned());
        if wanted {
            for metric in metrics {
                run.values.extend(server.values(&run.id, &metric)?);
            }
            found.runs.push(run);
        }
    }
    found.runs.sort_by(|a, b| (a.began, &a.id).cmp(&(b.began, &b.id)));
    Ok((place, found))
}

/// Those of the address, else those that MLflow's own client takes.
fn credentials(user: Option<(String, String)>) -> Option<Credentials> {
    let set = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    if let Some((user, password)) = user {
        return Credentials::basic(&user, &password);
    }
    match (set("MLFLOW_TRACKING_USERNAME"), set("MLFLOW_TRACKING_TOKEN")) {
        (Some(user), _) => Credentials::basic(&user, &set("MLFLOW_TRACKING_PASSWORD").unwrap_or_default()),
        (None, Some(token)) => Credentials::bearer(&token),
        (None, None) => None,
    }
}

/// A question for a list.
enum Asked {
    /// By GET: path and query.
    Get(String),
    /// By POST: path and body.
    Post(&'static str, Json),
}

struct Server {
    place: String,
    http: Http,
}

impl Server {
    /// Id and name.
    fn experiments(&mut self) -> Result<Vec<(String, String)>, Trouble> {
        let rows = self.pages(Asked::Post("experiments/search", json!({"view_type": "ACTIVE_ONLY"})), "experiments")?;
        Ok(rows.iter().map(|row| (text(&row["experiment_id"]), text(&row["name"]))).collect())
    }

    /// All values of a metric of a run.
    fn values(&mut self, run: &str, metric: &str) -> Result<Vec<Value>, Trouble> {
        let query = format!("metrics/get-history?run_id={}&metric_key={}", http::encoded(run), http::encoded(metric));
        let rows = self.pages(Asked::Get(query), "metrics")?;
        let place = &self.place;
        let value = |row: &Json| {
            let parts = (whole(&row["step"]).or(Some(0)), whole(&row["timestamp"]), number(&row["value"]));
            let (Some(step), Some(at), Some(value)) = parts else {
                let message = format!("a value of {metric} of run {run} cannot be read: {row}");
                return Err(Trouble::new(place, message, "is it an MLflow tracking server?"));
            };
            Ok(Value { metric: metric.to_string(), step, at, value })
        };
        rows.iter().map(value).collect()
    }

    /// All rows of a list, page after page.
    fn pages(&mut self, asked: Asked, rows: &str) -> Result<Vec<Json>, Trouble> {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let mut answer = match &asked {
                Asked::Get(query) => {
                    let token =
                        if token.is_empty() { String::new() } else { format!("&page_token={}", http::encoded(&token)) };
                    self.http.get(&format!("/api/2.0/mlflow/{query}&max_results={VALUES}{token}"))?
                }
                Asked::Post(path, body) => {
                    let mut body = body.clone();
                    body["max_results"] = PAGE.into();
                    if !token.is_empty() {
                        body["page_token"] = token.as_str().into();
                    }
                    self.http.post(&format!("/api/2.0/mlflow/{path}"), &body)?
                }
            };
            if let Json::Array(page) = answer[rows].take() {
                all.extend(page);
            }
            token = text(&answer["next_page_token"]);
            if token.is_empty() {
                return Ok(all);
            }
        }
        Err(Trouble::new(&self.place, format!("its list of {rows} does not end"), "is it an MLflow tracking server?"))
    }
}

fn run(row: &Json, experiments: &BTreeMap<&str, &str>) -> Run {
    let (info, data) = (&row["info"], &row["data"]);
    let tags: BTreeMap<String, String> = pairs(&data["tags"]).collect();
    let id = [&info["run_id"], &info["run_uuid"]].into_iter().map(text).find(|id| !id.is_empty()).unwrap_or_default();
    let experiment = text(&info["experiment_id"]);
    let name = Some(text(&info["run_name"])).filter(|name| !name.is_empty());
    Run {
        id,
        name: name.or_else(|| tags.get("mlflow.runName").cloned()).unwrap_or_default(),
        experiment: experiments.get(experiment.as_str()).map_or(experiment.clone(), ToString::to_string),
        status: text(&info["status"]),
        began: whole(&info["start_time"]),
        ended: whole(&info["end_time"]),
        params: pairs(&data["params"]).collect(),
        tags,
        values: Vec::new(),
    }
}

/// Keys and values of a list of such.
fn pairs(list: &Json) -> impl Iterator<Item = (String, String)> {
    list.as_array().into_iter().flatten().map(|pair| (text(&pair["key"]), text(&pair["value"])))
}

/// A text, or a number as one.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// A whole number; protobuf's JSON may write 64 bits as a text.
fn whole(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A number; protobuf's JSON writes what is none as a text.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64().map(value_of),
        Json::String(text) => text.parse().ok(),
        // A double that is 0 may be left out.
        Json::Null => Some(0.0),
        _ => None,
    }
}
