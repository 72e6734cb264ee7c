// The page in a real browser, before a real crew.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import * as browsers from "./browser.mjs";
import * as crews from "./crew.mjs";

const skip = browsers.missing() ?? crews.missing() ?? false;
const LEVEL_MAX_MS = 15_000;

const HOSTILE = {
  image: `<img src=x onerror="window.hacked=1">`,
  script: `</script><script>window.hacked=1</script>`,
  rtl: "\u202Eטקסט הפוך مقلوب",
  long: "긴".repeat(4_000) + "x".repeat(4_000),
  korean: "결제 서비스가 응답하지 않습니다",
};

describe("the page", { skip, timeout: 120_000 }, () => {
  let browser, service, crew, context, page;
  let complaints = [];

  before(async () => {
    browser = await browsers.launch();
  });
  after(() => browser?.close());

  beforeEach(async () => {
    service = await new crews.Service().start();
    crew = await new crews.Crew({ 결제: service }).start();
    await open({});
  });
  afterEach(async () => {
    await context?.close();
    await crew?.remove();
    service?.stop();
  });

  async function open(options) {
    await context?.close();
    context = await browser.newContext({ locale: "en-GB", ...options });
    context.setDefaultTimeout(LEVEL_MAX_MS);
    page = await context.newPage();
    complaints = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== crew.url) complaints.push(`request to ${request.url()}`);
    });
    await page.goto(crew.url);
  }

  const incident = (text) => page.locator("#incidents-list > li", { hasText: text });
  const live = () => page.locator("#connection", { hasText: "live" }).waitFor();
  const alert = (alertname, more = {}) => ({ labels: { alertname, service: "주문", ...more } });

  test("shows the services, the crew and what an empty crew is for", async () => {
    await page.getByText("Ready", { exact: true }).waitFor();
    const host = page.locator("#services-list > li", { hasText: "host" });
    await host.getByRole("meter", { name: "Memory" }).waitFor();
    const memory = host.getByRole("meter", { name: "Memory" });
    assert.match(await memory.getAttribute("aria-valuetext"), /^\d+(\.\d+)? %, warning at 85 %, critical at 95 %$/);
    const payment = page.locator("#services-list > li", { hasText: "결제" });
    await payment.getByText("passing").waitFor();
    await payment.locator(".badge", { hasText: "healthy" }).waitFor();
    await page.getByText("No incidents. Kill a watched service").waitFor();
    await page.locator("#agents-list", { hasText: "orchestrator" }).waitFor();
    await live();
    assert.deepEqual(complaints, []);
  });

  test("shows an incident, its story and its end without a reload", async () => {
    await live();
    await page.evaluate(() => { window.notReloaded = true; });
    await crew.report(alert("결제지연", { severity: "critical" }));
    await incident("결제지연").waitFor();
    await incident("결제지연").getByText("escalated").waitFor();
    const head = incident("결제지연").getByRole("button", { expanded: false });
    await head.focus();
    await page.keyboard.press("Enter");
    await incident("결제지연").locator(".story .event", { hasText: "opened: 주문 결제지연" }).waitFor();
    await page.locator("#timeline-list .event", { hasText: "alert fired: 주문 결제지연" }).first().waitFor();

    await crew.report(alert("다른것"));
    await incident("다른것").waitFor();
    assert.equal(await incident("결제지연").getByRole("button", { expanded: true }).count(), 1, "it stays open");
    await page.locator("#timeline-list .chip", { hasText: "INC-1" }).first().click();
    await page.locator("#timeline-filter", { hasText: "Only INC-1" }).waitFor();
    assert.equal(await page.locator("#timeline-list .event:visible", { hasText: "다른것" }).count(), 0);
    await page.getByRole("button", { name: "Show all" }).click();
    await page.locator("#timeline-list .event:visible", { hasText: "다른것" }).first().waitFor();

    const end = new Date(Date.now() - 1).toISOString();
    await crew.report({ ...alert("결제지연", { severity: "critical" }), endsAt: end });
    await page.locator("#resolved-list > li", { hasText: "결제지연" }).waitFor();
    assert.equal(await incident("결제지연").count(), 0);
    assert.equal(await page.evaluate(() => window.notReloaded), true);
    assert.deepEqual(complaints, []);
  });

  test("a plan waits for a person, who sees every step and answers once", async () => {
    await crew.remove();
    const worker = { autonomy: "approve", start: { argv: ["sleep", "600"] }, interval_ms: 200 };
    crew = await new crews.Crew({ 결제: service }, { 작업자: worker }).start();
    await open({});
    const plan = page.locator("#approvals-list > li", { hasText: "작업자" });
    await plan.getByText("sleep 600").waitFor();
    await plan.getByText("disruptive", { exact: true }).first().waitFor();
    assert.equal(await page.locator("#services-list > li", { hasText: "작업자" }).locator(".badge.healthy").count(), 0);
    await plan.getByRole("button", { name: "Approve INC-1/1" }).click();
    await page.locator("#timeline-list .event", { hasText: "INC-1/1 approved" }).first().waitFor();
    await page.locator("#approvals").waitFor({ state: "hidden" });
    await page.locator("#services-list > li", { hasText: "작업자" }).locator(".badge", { hasText: "healthy" }).waitFor();
    assert.deepEqual(complaints, []);
  });

  test("how well the crew heals is told", async () => {
    await crew.remove();
    const worker = { start: { argv: ["sleep", "600"] }, interval_ms: 200 };
    crew = await new crews.Crew({ 결제: service }, { 작업자: worker }).start();
    await open({});
    const healing = page.getByRole("region", { name: "How the crew does" });
    await healing.getByText("100 % (1 of 1 proven)").waitFor();
    await healing.getByText("on average, of 1").waitFor();
    await healing.getByText("nothing", { exact: true }).waitFor();
    assert.deepEqual(complaints, []);
  });

  test("a service that fails shows as failing", async () => {
    const payment = page.locator("#services-list > li", { hasText: "결제" });
    await payment.locator(".badge", { hasText: "healthy" }).waitFor();
    service.fails = true;
    await payment.locator(".badge", { hasText: "failing" }).waitFor();
    await incident("service_unresponsive").waitFor();
    assert.deepEqual(complaints, []);
  });

  test("hostile text is text", async () => {
    await live();
    for (const [name, text] of Object.entries(HOSTILE)) {
      await crew.report({ labels: { alertname: text, service: `${name} ${text}`.slice(0, 6_000) }, annotations: { summary: text } });
    }
    for (const text of [HOSTILE.image, HOSTILE.script, HOSTILE.korean, "טקסט הפוך"]) await incident(text).first().waitFor();
    await page.locator("#timeline-list .event", { hasText: HOSTILE.image }).first().waitFor();
    for (const head of await page.locator("#incidents-list .head").all()) await head.click();
    await page.locator(".story .event").first().waitFor();
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.equal(await widthToScroll(), 0);
    assert.deepEqual(complaints, []);
  });

  const widthToScroll = () => page.evaluate(() => {
    const root = document.documentElement;
    return root.scrollWidth - root.clientWidth;
  });

  test("fits a phone", async () => {
    await open({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    await live();
    await crew.report(alert(HOSTILE.long), alert("a".repeat(300), { mountpoint: "/very/long/".repeat(40) }));
    await incident("aaaa").waitFor();
    await page.locator("#timeline-list .event").first().waitFor();
    for (const head of await page.locator("#incidents-list .head").all()) await head.click();
    await page.locator(".story .event").first().waitFor();
    assert.equal(await widthToScroll(), 0);
    assert.deepEqual(complaints, []);
  });

  test("says that it is cut off, and catches up when the crew is back", async () => {
    await live();
    await crew.report(alert("before"));
    await page.locator("#timeline-list .event", { hasText: "before" }).first().waitFor();
    await crew.stop();
    await page.locator("#connection", { hasText: "reconnecting" }).waitFor();
    await page.locator("#ready", { hasText: "Not reachable" }).waitFor();
    await crew.start();
    await crew.report(alert("after"));
    await live();
    await incident("after").waitFor();
    await page.locator("#timeline-list .event", { hasText: "after" }).first().waitFor();
    const fired = page.locator("#timeline-list .event.alert_fired", { hasText: "before" });
    assert.equal(await fired.count(), 1, "what was shown before does not come again");
    // A browser reports refused connections by itself; that is all it may complain about.
    assert.deepEqual(complaints.filter((text) => !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/.test(text)), []);
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`every text can be read in ${colorScheme} mode`, async () => {
      await open({ colorScheme });
      await live();
      await crew.report(alert("심각", { severity: "critical" }), alert("경고", { severity: "warning" }), alert("정보", { severity: "info" }));
      await incident("정보").waitFor();
      await page.locator("#timeline-list .event").first().waitFor();
      await page.locator("#incidents-list .head").first().click();
      await page.locator(".story .event").first().waitFor();
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.equal(ground, colorScheme === "dark" ? "rgb(16, 20, 29)" : "rgb(246, 247, 249)");
      const found = await browsers.contrasts(page);
      assert.ok(found.length > 30);
      assert.deepEqual(found.filter(({ ratio }) => ratio < 4.5), []);
      assert.deepEqual(complaints, []);
    });
  }

  test("is a page for a keyboard and a screen reader", async () => {
    await live();
    for (const role of ["banner", "main", "contentinfo"]) assert.equal(await page.getByRole(role).count(), 1, role);
    assert.equal(await page.getByRole("log").getAttribute("aria-live"), "polite");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "incidents");
    const unnamed = await page.locator("button, a, [role=meter]").evaluateAll((elements) =>
      elements.filter((e) => !(e.getAttribute("aria-label") ?? e.textContent).trim()).length);
    assert.equal(unnamed, 0);
  });
});
