//! Names of the tools and variables of the `SigNoz` MCP server.
//!
//! The names of the second source document are not those of the server (`SigNoz/signoz-mcp-server`
//! lists its tools in its README).

use crate::nearest::nearest;
use crate::problem::{Place, Report};
use crate::tree::At;

const PREFIX: &str = "signoz_";

/// The tools, without prefix.
const TOOLS: [&str; 25] = [
    "list_services",
    "get_service_top_operations",
    "search_traces",
    "aggregate_traces",
    "get_trace_details",
    "search_logs",
    "aggregate_logs",
    "list_metrics",
    "query_metrics",
    "get_top_metrics",
    "check_metric_usage",
    "check_metric_cardinality",
    "get_field_keys",
    "get_field_values",
    "list_alerts",
    "list_alert_rules",
    "get_alert",
    "get_alert_history",
    "create_alert",
    "update_alert",
    "delete_alert",
    "execute_builder_query",
    "search_docs",
    "fetch_doc",
    "get_org_overview",
];

/// Families of tools that are not listed one by one.
const FAMILIES: [&str; 3] = ["dashboard", "view", "notification_channel"];

/// What was meant by names that are not like any real one.
const MEANT: [(&str, &str); 5] = [
    ("get_service_list", "list_services"),
    ("get_service_metrics", "query_metrics"),
    ("get_trace_detail", "get_trace_details"),
    ("get_alert_rules", "list_alert_rules"),
    ("create_alert_rule", "create_alert"),
];

/// Looks at the texts below `tools`, and at the variables of the server.
pub(crate) fn visit(at: &At<'_>, key: &str, report: &mut Report) {
    if key == "SIGNOZ_API_URL" && at.path.contains("env.") {
        report
            .warning(
                Place::new(at.key_span, at.path.clone()),
                "the SigNoz MCP server does not read this variable",
            )
            .hint("it reads SIGNOZ_URL");
    }
    if !matches!(key, "tools" | "allow" | "deny" | "alsoAllow") {
        return;
    }
    let Some(name) = at.node.text().and_then(|text| text.strip_prefix(PREFIX)) else {
        return;
    };
    let known = TOOLS.contains(&name) || FAMILIES.iter().any(|family| name.contains(family));
    if known {
        return;
    }
    let meant = MEANT.iter().find(|(wrong, _)| *wrong == name);
    let near = meant.map(|(_, right)| *right).or_else(|| nearest(name, TOOLS));
    let found = report.warning(at, "the SigNoz MCP server has no tool of this name");
    match near {
        Some(near) => found.hint(format!("did you mean `{PREFIX}{near}`?")),
        None => found.hint("`signoz_list_services` and its kin are listed in its README"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::problems_of;

    #[test]
    fn tools_that_do_not_exist_are_named_with_what_was_meant() {
        let cases = [
            ("signoz_get_service_list", Some("signoz_list_services")),
            ("signoz_get_service_metrics", Some("signoz_query_metrics")),
            ("signoz_get_trace_detail", Some("signoz_get_trace_details")),
            ("signoz_get_alert_rules", Some("signoz_list_alert_rules")),
            ("signoz_create_alert_rule", Some("signoz_create_alert")),
            ("signoz_serch_traces", Some("signoz_search_traces")),
            ("signoz_search_traces", None),
            ("signoz_list_dashboards", None),
            ("read", None),
        ];
        for (tool, expected) in cases {
            let said = problems_of(&format!("{{ tools: ['{tool}'] }}"), visit).join("\n");
            match expected {
                Some(right) => assert!(said.contains(&format!("`{right}`")), "{tool}: {said}"),
                None => assert_eq!(said, "", "{tool}"),
            }
        }
        let said = problems_of("{ env: { SIGNOZ_API_URL: 'x' } }", visit);
        assert!(said[0].contains("it reads SIGNOZ_URL"));
    }
}
