//! The report as one HTML page that needs nothing else.

use super::chart::{Chart, Scale};
use super::report::{Report, Run};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;\
    color:#1f2937}    h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}pre{background:#f3f4f6;padding:1rem;overflow-x:auto;\
    font-size:12.5px}svg{width:100%;height:auto;font:12px system-ui,sans-serif;fill:#4b5563}svg .grid{stroke:#e5e7eb}\
    svg polyline{fill:none;stroke-width:1.8}svg .name{font-weight:600}";

/// The page.
pub(super) fn html(report: &Report) -> String {
    let setup = serde_json::to_string_pretty(&report.setup).expect("a set-up is JSON");
    let workload = serde_json::to_value(report.setup.workload).expect("a word");
    let title = format!("creditd bench: {} on {}", workload.as_str().unwrap_or_default(), report.setup.address);
    let tables: String = report.runs.iter().map(ToString::to_string).collect();
    let charts: String =
        charts(report).iter().map(|(heading, chart)| format!("<h2>{heading}</h2>\n{}", chart.svg())).collect();
    let (title, tables, setup) = (escape(&title), escape(&tables), escape(&setup));
    let check = escape(&report.check.to_string());
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<pre>{tables}\n{check}</pre>\n{charts}\
         <h2>Set-up</h2>\n<pre>{setup}</pre>\n</body></html>\n"
    )
}

fn charts(report: &Report) -> Vec<(&'static str, Chart<'static>)> {
    let ms = |points: &mut dyn Iterator<Item = (f64, f64)>| points.map(|(x, us)| (x, us / 1e3)).collect::<Vec<_>>();
    let latency = ("latency, ms", Scale::Log);
    let runs = &report.runs;
    let curves = match runs.as_slice() {
        [run] => run.summaries.iter().map(|of| (of.name.clone(), ms(&mut of.curve.iter().copied()))).collect(),
        runs => runs.iter().map(|run| (name(run), ms(&mut run.all().curve.iter().copied()))).collect(),
    };
    let over_time = |figure: fn(&super::run::Second) -> f64| {
        let line = |run: &Run| {
            let points = run.seconds.iter().map(|second| (second.at_s as f64, figure(second)));
            (name(run), points.collect::<Vec<_>>())
        };
        runs.iter().map(line).collect::<Vec<_>>()
    };
    let seconds = ("seconds from the start", Scale::Linear);
    let mut charts = vec![
        ("Latency by percentile", Chart { x: ("percentile", Scale::Nines), y: latency, lines: curves }),
        (
            "Throughput over time",
            Chart { x: seconds, y: ("operations a second", Scale::Linear), lines: over_time(|it| it.ops_per_s) },
        ),
        ("p99 over time", Chart { x: seconds, y: latency, lines: over_time(|it| it.p99_us / 1e3) }),
    ];
    if runs.len() > 1 {
        type Figure = fn(&super::report::Summary) -> f64;
        let figures: [(&str, Figure); 3] =
            [("p50", |it| it.p50_us), ("p99", |it| it.p99_us), ("p99.9", |it| it.p999_us)];
        let line = |(name, figure): (&str, Figure)| {
            (name.to_owned(), ms(&mut runs.iter().map(|run| (run.ops_per_s, figure(run.all())))))
        };
        let chart = Chart { x: ("operations a second", Scale::Linear), y: latency, lines: figures.map(line).into() };
        charts.insert(0, ("Latency against throughput", chart));
    }
    charts
}

fn name(run: &Run) -> String {
    run.rate.map_or("closed loop".to_owned(), |rate| format!("{rate} offered"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
