//! Whether a path is a well-known weak place, and whether a user agent is a tool that looks for
//! them.

use crate::signs::scan::has;

/// How much of a path is looked at, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// Places that only a scanner asks for where they are not.
const STRONG: &[&[u8]] = &[
    b"/.env",
    b"/.git/",
    b"/.git",
    b"/.svn",
    b"/.aws",
    b"/.ssh",
    b"/.htaccess",
    b"/.htpasswd",
    b"/.ds_store",
    b"/.vscode",
    b"wp-login",
    b"wp-admin",
    b"wp-config",
    b"wp-content/plugins",
    b"wp-includes",
    b"xmlrpc.php",
    b"phpmyadmin",
    b"/pma",
    b"myadmin",
    b"/cgi-bin/",
    b"fckeditor",
    b"/administrator",
    b"phpunit",
    b"eval-stdin",
    b"/actuator",
    b"/boaform",
    b"/hnap1",
    b"/manager/html",
    b"/solr/",
    b"/jenkins",
    b"/setup.php",
    b"/shell.php",
    b"/cmd.php",
    b"phpinfo",
    b"/server-status",
    b"/.well-known/../",
    b"/vendor/",
    b"/owa/",
    b"/autodiscover",
    b"/telescope",
    b"/_ignition",
    b"/struts",
    b"/invoker/",
    b"/jmx-console",
    b"/web-console",
    b"/config.json",
    b"/backup",
    b".sql",
    b".bak",
    b"/dump",
    b"/etc/",
    b"/proc/",
    b"/adminer",
    b"/console/",
    b"/geoserver",
    b"/ecp/",
    b"/remote/fgt_lang",
    b"/dana-na/",
    b"/+cscoe+",
    b"/goform/",
    b"/currentsetting.htm",
    b"/wls-wsat",
    b"/scripts/setup",
    b"/typo3",
    b"/joomla",
    b"/.npmrc",
    b"/.docker",
    b"/docker-compose",
    b"/id_rsa",
    b"/credentials",
    b"/w00tw00t",
    b"/muieblackcat",
    b"/sql/",
    b"/mysql",
    b"/dbadmin",
    b"/magento",
    b"/.idea",
];

/// Places that a person may look for too.
const WEAK: &[&[u8]] =
    &[b"/admin", b"/login", b"/test", b"/config", b"/old", b"/debug", b"/api/v1/pods", b"/info"];

/// What tools call themselves.
const TOOLS: &[&[u8]] = &[
    b"nikto",
    b"sqlmap",
    b"nmap",
    b"masscan",
    b"zgrab",
    b"nuclei",
    b"gobuster",
    b"dirbuster",
    b"wpscan",
    b"zmeu",
    b"acunetix",
    b"nessus",
    b"openvas",
    b"w3af",
    b"arachni",
    b"feroxbuster",
    b"ffuf",
    b"dirsearch",
    b"havij",
    b"jorgee",
    b"morfeus",
    b"commix",
    b"wfuzz",
    b"skipfish",
    b"netsparker",
    b"qualys",
    b"burpcollaborator",
    b"jaeles",
    b"hydra",
    b"patator",
    b"xsser",
    b"whatweb",
    b"fimap",
    b"paros",
    b"l9explore",
    b"expanse",
];

/// How well known a path is as a weak place that is looked for: 0 not at all, 1 a place that a
/// person may look for too, 2 one that only a scanner asks for where it is not.
pub(crate) fn probe_weight(path: &[u8]) -> u32 {
    let path = path.get(..path.len().min(PATH_BYTES_MAX)).unwrap_or(path).to_ascii_lowercase();
    if STRONG.iter().any(|part| has(&path, part)) {
        2
    } else {
        u32::from(WEAK.iter().any(|part| path.starts_with(part)))
    }
}

/// Whether a user agent is a tool that looks for weak places.
pub(crate) fn is_tool(agent: &[u8]) -> bool {
    let agent = agent.get(..agent.len().min(256)).unwrap_or(agent).to_ascii_lowercase();
    TOOLS.iter().any(|tool| has(&agent, tool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_places_and_tools_are_known() {
        assert_eq!((probe_weight(b"/.env"), probe_weight(b"/admin.php")), (2, 1));
        assert_eq!((probe_weight(b"/blog/environment"), probe_weight(b"/products/9")), (0, 0));
        assert!(is_tool(b"sqlmap/1.7#stable") && !is_tool(b"Mozilla/5.0 (X11)"));
    }
}
