//! The page at `/`: what runs, how it stands, where to look further. No script, nothing from elsewhere.

use std::fmt::Write;

use crate::model::{Moment, RuleState, Snapshot, TrialView};

/// The page needs its own style and nothing else; a browser is told so.
pub(super) const CONTENT_SECURITY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// So many trials are listed; a table of thousands helps nobody.
const LISTED: usize = 500;

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>earlystop</title>\n<style>\
body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse}\
th,td{text-align:left;padding:.2em 1em .2em 0;border-bottom:1px solid #ccc}td.n{text-align:right}\
</style></head><body>\n<h1>earlystop</h1>\n\
<p><a href=\"/metrics\">/metrics</a> · <a href=\"/-/healthy\">/-/healthy</a> · <a href=\"/-/ready\">/-/ready</a></p>\n";

/// The page.
pub(super) fn render(snapshot: &Snapshot) -> String {
    let mut out = HEAD.to_owned();
    let living = snapshot.trials.iter().filter(|view| view.state.is_living()).count();
    let ended = snapshot.trials.len() - living;
    let _ = writeln!(out, "<p>version {}; {living} living, {ended} ended trials</p>", env!("CARGO_PKG_VERSION"));
    if snapshot.trials.is_empty() {
        out.push_str("<p>No trial yet: <code>earlystop run -- python3 train.py</code></p>\n");
    } else {
        out.push_str("<table><thead><tr><th>experiment</th><th>trial</th><th>state</th><th>elapsed</th><th>step</th>");
        out.push_str("<th>memory</th><th>rules</th><th>why</th></tr></thead><tbody>\n");
        snapshot.trials.iter().take(LISTED).for_each(|view| row(view, snapshot.at, &mut out));
        out.push_str("</tbody></table>\n");
    }
    if snapshot.trials.len() > LISTED {
        let _ = writeln!(out, "<p>and {} more: see <code>earlystop list</code></p>", snapshot.trials.len() - LISTED);
    }
    out.push_str("</body></html>\n");
    out
}

fn row(view: &TrialView, now: Moment, out: &mut String) {
    let step = match (view.progress.step, view.progress.target_steps) {
        (Some(step), Some(target)) => format!("{step} of {target}"),
        (Some(step), None) => step.to_string(),
        _ => String::new(),
    };
    let memory = view.tree.as_ref().and_then(|tree| tree.memory).filter(|_| view.state.is_living());
    let memory = memory.map(|m| format!("{:.1} MiB", m.private() as f64 / f64::from(1 << 20))).unwrap_or_default();
    let noisy = view.rules.iter().filter(|rule| rule.state > RuleState::Inactive);
    let rules: Vec<String> = noisy.map(|rule| format!("{} {}", rule.rule, rule.state.as_str())).collect();
    let stop = view.stop.as_ref().map(|stop| format!("{}: {}", stop.rule, stop.reason));
    let why = stop.or_else(|| view.exit.map(|exit| exit.cause.as_str().to_owned())).unwrap_or_default();
    let _ = writeln!(
        out,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{:.0} s</td><td class=\"n\">{step}</td>\
         <td class=\"n\">{memory}</td><td>{}</td><td>{}</td></tr>",
        escape(view.experiment.as_str()),
        escape(view.trial.as_str()),
        view.state.as_str(),
        view.elapsed(now),
        escape(&rules.join(", ")),
        escape(&why),
    );
}

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_escaped() {
        assert_eq!(escape("<b a=\"x\">&'"), "&lt;b a=&quot;x&quot;&gt;&amp;&#39;");
    }
}
