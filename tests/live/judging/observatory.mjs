// MDN's HTTP Observatory on a service at other ports of this machine.
// Usage: node observatory.mjs MODULES HOST HTTP_PORT HTTPS_PORT
import net from "node:net";
import { pathToFileURL } from "node:url";

const [modules, host, http, https] = process.argv.slice(2);
const ports = { 80: Number(http), 443: Number(https) };

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options.host === host) {
    options.host = "127.0.0.1";
    options.port = ports[options.port] ?? options.port;
  }
  return connect.apply(this, args);
};

const main = `${modules}/@mdn/mdn-http-observatory/src/scanner/index.js`;
const { scan } = await import(pathToFileURL(main).href);
const { scan: result, tests } = await scan(host);
const failed = Object.values(tests).filter((test) => !test.pass);
console.log(
  JSON.stringify({
    algorithm: result.algorithmVersion,
    score: result.score,
    grade: result.grade,
    failed: failed.map((test) => [test.name, test.result]),
  }),
);
