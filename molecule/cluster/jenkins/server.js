// In the place of Jenkins, whose image can't be had everywhere: answers where Jenkins does, and writes to its home.
const fs = require("fs");
const home = "/var/jenkins_home";
const version = process.env.JENKINS_VERSION;
fs.appendFileSync(`${home}/starts`, `${version}\n`);
setInterval(() => fs.appendFileSync(`${home}/log`, "alive\n"), 50);
const server = require("http").createServer((request, response) => response.end(`Jenkins ${version}\n`));
// As init.groovy of the role does.
console.log("[fungap] 0 jobs are as the inventory has them");
server.listen(8080);
process.on("SIGTERM", () => process.exit(0));
