//! The fakes.

mod desk;
mod discord;
mod github;
mod github_issues;
mod gitlab;
mod jira;
mod jira_form;
mod opsgenie;
mod pagerduty;
mod slack;
mod smtp;
mod telegram;
mod text;
mod webhook;

pub use desk::{Answer, Desk, Exchange, Mode, Received, Server};
pub use discord::Discord;
pub use github::{Comment, Github, Issue};
pub use github_issues::GithubIssues;
pub use gitlab::Gitlab;
pub use jira::{Jira, JiraIssue, Workflow};
pub use jira_form::check_document;
pub use opsgenie::{Alert, Opsgenie};
pub use pagerduty::{Incident, Pagerduty};
pub use slack::{Post, Slack};
pub use smtp::{Mail, Smtp, SmtpMode};
pub use telegram::{Sent, Telegram};
pub use webhook::Webhook;
