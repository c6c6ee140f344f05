// Google's CSP evaluator. Usage: node csp.mjs MODULES POLICY; prints findings as [severity, text].
import { pathToFileURL } from "node:url";

const [modules, policy] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${modules}/csp_evaluator/dist/${name}.js`).href);
const { CspEvaluator } = await load("evaluator");
const { CspParser } = await load("parser");
const { Severity } = await load("finding");
const findings = new CspEvaluator(new CspParser(policy).csp).evaluate();
console.log(JSON.stringify(findings.map((each) => [Severity[each.severity], each.description])));
