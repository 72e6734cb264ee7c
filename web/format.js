// Numbers and times as people read them.

const METRICS = {
  cpu_usage: "CPU",
  memory_usage: "Memory",
  swap_usage: "Swap",
  disk_usage: "Disk",
  load_1m: "Load",
  network_receive: "Received",
  network_transmit: "Sent",
  process_status: "Process",
  process_cpu: "CPU",
  process_memory_mb: "Memory",
  health_status: "Health",
  api_latency_ms: "Latency",
  ssl_expires_in_days: "Certificate",
};

/** The order in which metrics are shown; what is not named comes last. */
export const METRIC_ORDER = Object.keys(METRICS);

/** The name of a metric for people. */
export function title(sample) {
  const name = METRICS[sample.metric] ?? sample.metric;
  return sample.resource ? `${name} ${sample.resource}` : name;
}

/** What was seen, in short. */
export function seen(sample) {
  if (sample.unknown !== undefined) return sample.level === "absent" ? "none" : `unknown: ${sample.unknown}`;
  if (sample.status !== undefined) return sample.status;
  const { value, unit } = sample;
  switch (unit) {
    case "percent": return `${round(value)} %`;
    case "bytes": return scaled(value, "B");
    case "megabytes": return scaled(value * 1e6, "B");
    case "bytes_per_second": return scaled(value, "B/s");
    case "milliseconds": return value < 1000 ? `${round(value)} ms` : `${round(value / 1000)} s`;
    case "days": return `${round(value)} days`;
    case "per_minute": return `${round(value)}/min`;
    default: return String(round(value));
  }
}

function round(value) {
  return Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 10) / 10;
}

function scaled(value, unit) {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  let n = 0;
  while (Math.abs(value) >= 1000 && n < prefixes.length - 1) {
    value /= 1000;
    n += 1;
  }
  return `${round(value)} ${prefixes[n]}${unit}`;
}

/** A span of milliseconds in its two largest parts. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [size, unit] = parts[first];
  const large = `${Math.floor(seconds / size)} ${unit}`;
  const next = parts[first + 1];
  const small = next ? Math.floor((seconds % size) / next[0]) : 0;
  return small > 0 ? `${large} ${small} ${next[1]}` : large;
}

/** A share of 0 to 1 as a percentage; never a whole where a part is missing. */
export function share(part) {
  const percent = Math.floor(part * 1000) / 10;
  return `${percent} %`;
}

/** The time of day of a moment, to the second. */
export function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

/** What is being done about an incident. */
export function doing(incident) {
  switch (incident.state) {
    case "resolving": return `${incident.playbook ?? "a playbook"} is at work, attempt ${incident.attempts}`;
    case "verifying": return `${incident.playbook ?? "the playbook"} is done; fresh samples decide`;
    case "escalated": return `with a person: ${incident.reason}`;
    case "resolved":
    case "closed": return `${incident.verified ? "proven by fresh samples" : "not proven"}: ${incident.reason}`;
    default: return incident.reason;
  }
}
