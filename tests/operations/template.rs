//! Alarms and dashboard of `infra/template.yaml` against what the code counts, and the runbook.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::metrics::kept;

const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const RUNBOOK: &str = include_str!("../../docs/runbook.md");

/// `SendFunction` is the function `send`.
fn function(resource: &str) -> String {
    let name = resource.strip_suffix("Function").unwrap_or_else(|| panic!("{resource} is no function"));
    name.to_lowercase()
}

/// The resources of this type: name and text.
fn resources(kind: &str) -> Vec<(&'static str, &'static str)> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in TEMPLATE.split_inclusive('\n') {
        let name = line.strip_prefix("  ").and_then(|rest| rest.trim_end().strip_suffix(':'));
        starts.extend(name.filter(|name| name.chars().all(char::is_alphanumeric)).map(|name| (name, at)));
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([TEMPLATE.len()]);
    let all = starts.iter().zip(ends).map(|((name, from), to)| (*name, &TEMPLATE[*from..to]));
    all.filter(|(_, text)| text.contains(&format!("    Type: {kind}\n"))).collect()
}

/// The metrics of ours that an alarm reads.
fn of_alarm(text: &str) -> BTreeSet<(String, String)> {
    let plain = text.replace([',', '[', ']', '{', '}'], " ");
    let words: Vec<_> = plain.split_whitespace().collect();
    let ours = words.windows(2).filter(|pair| *pair == ["Namespace:", "Ritmo"]).count();
    let read = words.windows(10).filter_map(|w| match *w {
        [
            "Namespace:",
            "Ritmo",
            "MetricName:",
            name,
            "Dimensions:",
            "Name:",
            "Function",
            "Value:",
            "!Ref",
            resource,
        ] => Some((function(resource), name.to_owned())),
        _ => None,
    });
    let read: BTreeSet<_> = read.collect();
    assert_eq!(read.len(), ours, "a metric of ours with other dimensions: {text}");
    read
}

#[test]
fn every_alarm_reads_what_there_is_and_names_its_section() {
    let headings: Vec<String> = RUNBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-").replace([',', '.', ':', '?'], ""))
        .collect();
    let alarms = resources("AWS::CloudWatch::Alarm");
    assert!(alarms.len() >= 30, "found {}", alarms.len());
    let mut read = BTreeSet::new();
    for (name, text) in alarms {
        let metrics = of_alarm(text);
        assert!(metrics.is_subset(&kept()), "{name} reads {metrics:?}");
        read.extend(metrics);
        let description = text.lines().find_map(|line| line.trim().strip_prefix("AlarmDescription: ")).unwrap();
        let section = description.trim_matches('"').split_once("docs/runbook.md#").map(|(_, section)| section);
        let section = section.unwrap_or_else(|| panic!("{name} names no section"));
        assert!(headings.iter().any(|heading| heading == section), "{name}: no section {section} in {headings:?}");
        for action in ["AlarmActions", "OKActions"] {
            assert!(text.contains(action), "{name} tells nobody");
        }
    }
    for (function, metric) in [("send", "DueLag"), ("send", "Unknown"), ("step", "Unknown"), ("sweep", "OldestOverdue")]
    {
        assert!(read.contains(&(function.into(), metric.into())), "no alarm reads {metric}");
    }
}

/// The dashboard's JSON, with the names of resources in place of what they are called on AWS.
fn dashboard(text: &str) -> Value {
    let (_, body) = text.split_once("DashboardBody: !Sub |\n").unwrap();
    let mut parts = body.split("${");
    let mut json = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap();
        json.push_str(name);
        json.push_str(rest);
    }
    // The block ends where the indentation does: at the next resource or the outputs.
    let end = json.find("\n        }\n").unwrap() + "\n        }".len();
    serde_json::from_str(&json[..end]).unwrap()
}

#[test]
fn the_dashboard_shows_what_is_paid_for_and_nothing_that_is_not_there() {
    let [(_, text)] = resources("AWS::CloudWatch::Dashboard")[..] else { panic!("one dashboard") };
    let body = dashboard(text);
    let mut shown = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            let words: Vec<_> = metric.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            if let ["Ritmo", name, dimension, resource] = words[..] {
                assert_eq!(dimension, "Function");
                shown.insert((function(resource), name.to_owned()));
            }
        }
    }
    assert_eq!(shown, kept());
}
