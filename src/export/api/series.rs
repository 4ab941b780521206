//! What series there are: their labels, label names, values of a label.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::params::{Params, decode};
use super::query::{over_history, timeout, truncated};
use super::{Answer, Failure, Kind, json, time};
use crate::export::state::ExportState;
use crate::promql::{self, Labels, Selector, Shift};

/// Times without bounds: sums of two do not overflow.
const EVER: (i64, i64) = (i64::MIN / 4, i64::MAX / 4);

/// Which series are asked for.
struct Asked {
    selectors: Vec<String>,
    from: i64,
    to: i64,
    limit: usize,
}

impl Asked {
    fn of(params: &Params) -> Result<Asked, Failure> {
        let from = time::instant(params, "start")?.unwrap_or(EVER.0);
        let to = time::instant(params, "end")?.unwrap_or(EVER.1);
        if to < from {
            return Err(Failure::parameter("end", "end timestamp must not be before start time"));
        }
        let selectors = params.all("match[]").map(str::to_owned).collect();
        Ok(Asked { selectors, from, to, limit: params.limit("limit")? })
    }

    fn parse(&self) -> Result<Vec<Selector>, Failure> {
        let selector = |text: &String| match promql::parse_selector(text) {
            Ok(matchers) => Ok(Selector { matchers, shift: Shift::default() }),
            Err(problem) => Err(Failure::parameter("match[]", problem.message)),
        };
        self.selectors.iter().map(selector).collect()
    }
}

/// Asks for labels and makes a list of what `pick` takes from them.
async fn listed(
    state: &Arc<ExportState>,
    params: &Params,
    asked: Asked,
    pick: impl Fn(&[Labels]) -> Vec<String> + Send + 'static,
) -> Result<Answer, Failure> {
    over_history(state, timeout(params)?, move |view| {
        let selectors = asked.parse()?;
        let picked = pick(&view.labels(&selectors, asked.from, asked.to));
        let data = json::array(picked.iter().take(asked.limit), |out, one| {
            out.push_str(one);
            Ok(())
        })?;
        Ok(Answer { data, warnings: truncated(picked.len(), asked.limit) })
    })
    .await
}

/// `/api/v1/series`
pub(super) async fn series(state: &Arc<ExportState>, params: &Params) -> Result<Answer, Failure> {
    let asked = Asked::of(params)?;
    if asked.selectors.is_empty() {
        return Err(Failure::new(Kind::BadData, "no match[] parameter provided"));
    }
    listed(state, params, asked, |found| found.iter().map(json::labels).collect()).await
}

/// `/api/v1/labels`
pub(super) async fn names(state: &Arc<ExportState>, params: &Params) -> Result<Answer, Failure> {
    let asked = Asked::of(params)?;
    let pick = |found: &[Labels]| {
        let names: BTreeSet<&str> = found.iter().flat_map(|labels| labels.pairs().map(|(name, _)| name)).collect();
        names.into_iter().map(json::text).collect()
    };
    listed(state, params, asked, pick).await
}

/// `/api/v1/label/NAME/values`; the name as it stands in the path.
pub(super) async fn values(state: &Arc<ExportState>, name: &str, params: &Params) -> Result<Answer, Failure> {
    // In a path a plus is a plus.
    let decoded = decode(&name.replace('+', "%2B")).filter(|name| !name.is_empty());
    let name = decoded.ok_or_else(|| Failure::new(Kind::BadData, format!("invalid label name: {name:?}")))?;
    let asked = Asked::of(params)?;
    let pick = move |found: &[Labels]| {
        let values: BTreeSet<&str> = found.iter().map(|labels| labels.get(&name)).filter(|v| !v.is_empty()).collect();
        values.into_iter().map(json::text).collect()
    };
    listed(state, params, asked, pick).await
}
