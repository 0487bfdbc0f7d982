// Executes a declarative Jenkinsfile outside of Jenkins: JenkinsPipelineUnit runs its Groovy and hands every step to what is
// registered here. Its newest release on Maven Central knows scripted pipelines only, so the declarative part (sections, in
// which order they run, `post`) is below. A section, an option or a step that isn't known here is an error, as in Jenkins.
//
// `sh` is no stub: the shell that `settings.shell` starts (on this machine, or by SSH in the agent) runs it with `sh -xe` in the
// workspace, as Jenkins' own step does. Credentials become files beside the workspace for as long as they are bound, and
// their paths are masked in the console, as the plugin credentials-binding does.
//
// Usage: run.groovy settings.json. Settings: jenkinsfile, workspace, shell (a command that reads a script from its standard
// input), environment, credentials (id -> file), scm {url, branch, commit, username, password_file}, parameters,
// console, raw (files to write: the console as Jenkins would show it, and before masking), report (JSON).
import com.lesfurets.jenkins.unit.PipelineTestHelper
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import groovy.transform.Field

@Field final Map settings = new JsonSlurper().parse(new File(args[0]))
@Field final List events = []
@Field final File console = new File(settings.console)
@Field final File raw = new File(settings.raw)
@Field final PipelineTestHelper helper = new PipelineTestHelper()
@Field final Map<String, String> jobEnvironment = [:]
@Field final LinkedList<Map<String, String>> bound = new LinkedList<>()
@Field String stageName = null

class StepFailed extends RuntimeException {
    StepFailed(String message) { super(message) }
}

/** Takes the sections of a block: which ones there may be, each with its closure. */
class Sections {
    final Set<String> known
    final Map<String, Object> found = [:]

    Sections(String... known) { this.known = known as Set }

    def invokeMethod(String name, Object arguments) {
        if (!(name in known)) throw new IllegalArgumentException("unknown section ${name}; there may be ${known.sort().join(', ')}")
        if (name in found) throw new IllegalArgumentException("section ${name} stands there twice")
        found[name] = (arguments as Object[])[0]
        return null
    }
}

/** The block `stages`: names and closures in their order. */
class Stages {
    final List found = []

    void stage(String name, Closure body) { found << [name: name, body: body] }
}

/** The block `environment`: assignments, which may use what is set already. */
class Assignments {
    final Map<String, String> values = [:]
    final Closure lookup

    Assignments(Closure lookup) { this.lookup = lookup }

    void setProperty(String name, Object value) { values[name] = value.toString() }

    def getProperty(String name) { name in ['values', 'lookup'] ? this.@"$name" : values.containsKey(name) ? values[name] : lookup(name) }
}

/** The blocks `options` and `parameters`: calls, each noted with its arguments. */
class Calls {
    final Set<String> known
    final List found = []

    Calls(String... known) { this.known = known as Set }

    def invokeMethod(String name, Object arguments) {
        if (!(name in known)) throw new IllegalArgumentException("unknown ${name}; there may be ${known.sort().join(', ')}")
        found << [name: name, arguments: (arguments as Object[]).toList()]
        return name
    }
}

def fill(Object delegate, Closure body) {
    Closure copy = body.clone() as Closure
    copy.delegate = delegate
    copy.resolveStrategy = Closure.DELEGATE_ONLY
    copy.call()
    return delegate
}

/** Steps are the script's business, and so JenkinsPipelineUnit's. */
void runSteps(Closure body) {
    fill(body.thisObject, body)
}

// --- the console ---

void write(String text) {
    raw << text
    bound.each { bindings -> bindings.values().each { secret -> text = text.replace(secret, '****') } }
    console << text
    print text
}

void note(Map event) {
    events << [time: System.currentTimeMillis() / 1000.0d, stage: stageName] + event
}

// --- steps ---

Map<String, String> environmentNow() {
    Map<String, String> all = [*: settings.environment, WORKSPACE: settings.workspace] + jobEnvironment
    if (stageName) all.STAGE_NAME = stageName
    bound.each { all += it }
    return all
}

String quoted(Object text) { "'" + text.toString().replace("'", "'\\''") + "'" }

/** Run a script in the shell of the agent; output goes to the console, or is returned. */
Map shell(String script, boolean silent = false) {
    Process process = new ProcessBuilder(settings.shell as List<String>).redirectErrorStream(true).start()
    Thread.start { process.outputStream.withWriter('UTF-8') { it << script } }
    StringBuilder output = new StringBuilder()
    process.inputStream.newReader('UTF-8').eachLine { line ->
        output << line << '\n'
        if (!silent) write("${line}\n")
    }
    return [code: process.waitFor(), output: output.toString()]
}

/** Put a text into a file that only the agent's user can read; it comes through the shell's standard input. */
String fileFrom(String path, String text) {
    String mark = "END-${UUID.randomUUID()}"
    return "mkdir -p -m 700 \"\$(dirname ${quoted(path)})\"\n(umask 077 && cat >${quoted(path)}) <<'${mark}'\n${text.endsWith('\n') ? text : text + '\n'}${mark}\n"
}

void sh(String script) {
    Map<String, String> environment = environmentNow()
    note(step: 'sh', script: script, environment: environment, bound: bound.collectMany { it.keySet() })
    String file = "${settings.workspace}@tmp/durable/script.sh"
    String exports = environment.collect { name, value -> "export ${name}=${quoted(value)}\n" }.join('')
    Map run = shell("set -eu\nmkdir -p ${quoted(settings.workspace)}\n${fileFrom(file, script)}cd ${quoted(settings.workspace)}\n${exports}exec sh -xe ${quoted(file)} </dev/null\n")
    events.last().code = run.code
    events.last().seconds = System.currentTimeMillis() / 1000.0d - events.last().time
    if (run.code) throw new StepFailed("script returned exit code ${run.code}")
}

void withCredentials(List bindings, Closure body) {
    Map<String, String> paths = [:]
    String folder = "${settings.workspace}@tmp/secretFiles/${UUID.randomUUID()}"
    try {
        bindings.each { binding ->
            String source = settings.credentials[binding.credentialsId]
            if (!source) throw new StepFailed("Could not find credentials entry with ID '${binding.credentialsId}'")
            String path = "${folder}/${binding.credentialsId}"
            assert shell(fileFrom(path, new File(source).text), true).code == 0
            paths[binding.variable] = path
        }
        note(step: 'withCredentials', bindings: bindings)
        bound << paths
        body.call()
    } finally {
        bound.remove(paths)
        shell("rm -rf ${quoted(folder)}\n", true)
    }
}

/** As the plugin git does: the password is given to git by a program that GIT_ASKPASS names, for as long as git runs. */
void checkout(Object scm) {
    note(step: 'checkout', url: scm.url, commit: scm.commit)
    String folder = "${settings.workspace}@tmp/askpass"
    String askpass = ''
    if (scm.password_file) {
        String text = "#!/bin/sh\ncase \$1 in Username*) echo ${quoted(scm.username)} ;; *) cat ${quoted(folder + '/password')} ;; esac\n"
        askpass = fileFrom("${folder}/password", new File(scm.password_file).text) + fileFrom("${folder}/ask", text) +
            "chmod 700 ${quoted(folder + '/ask')}\nexport GIT_ASKPASS=${quoted(folder + '/ask')}\n"
    }
    Map run = shell("""set -eu
mkdir -p ${quoted(settings.workspace)}
trap 'rm -rf ${folder}' EXIT
${askpass}cd ${quoted(settings.workspace)}
[ -d .git ] || git init --quiet
git fetch --quiet --no-tags ${quoted(scm.url)} ${quoted(scm.branch)} </dev/null
git checkout --quiet --force ${quoted(scm.commit)}
git log --oneline --max-count=1
""")
    if (run.code) throw new StepFailed("checkout returned ${run.code}")
    jobEnvironment.GIT_COMMIT = scm.commit
}

// --- the pipeline ---

void runStage(Map stage) {
    Sections parts = fill(new Sections('steps', 'environment', 'options', 'post', 'when'), stage.body)
    if (parts.found.when || parts.found.post || parts.found.options) throw new IllegalArgumentException("${stage.name}: not known here: when, post, options of a stage")
    stageName = stage.name
    note(step: 'stage')
    write("[Pipeline] stage (${stage.name})\n")
    Map<String, String> outer = new LinkedHashMap(jobEnvironment)
    try {
        if (parts.found.environment) jobEnvironment.putAll(fill(new Assignments({ environmentNow()[it] }), parts.found.environment).values)
        runSteps(parts.found.steps as Closure)
    } finally {
        outer.GIT_COMMIT = jobEnvironment.GIT_COMMIT
        jobEnvironment.clear()
        jobEnvironment.putAll(outer.findAll { it.value != null })
        stageName = null
    }
}

void runPipeline(Closure body) {
    Sections parts = fill(new Sections('agent', 'options', 'parameters', 'environment', 'stages', 'post', 'triggers'), body)
    Map declared = [:]
    declared.agent = fill(new Calls('label'), parts.found.agent).found
    if (parts.found.options) declared.options = fill(new Calls('skipDefaultCheckout', 'disableConcurrentBuilds', 'timeout', 'buildDiscarder', 'logRotator', 'timestamps'), parts.found.options).found
    if (parts.found.parameters) declared.parameters = fill(new Calls('string', 'booleanParam', 'choice'), parts.found.parameters).found
    note(step: 'pipeline', declared: declared)
    // A parameter is a variable of the build, too.
    declared.parameters?.each { one ->
        String name = one.arguments[0].name
        jobEnvironment[name] = (settings.parameters ?: [:]).containsKey(name) ? settings.parameters[name] : one.arguments[0].defaultValue.toString()
    }
    if (parts.found.environment) jobEnvironment.putAll(fill(new Assignments({ environmentNow()[it] }), parts.found.environment).values)
    String result = 'SUCCESS'
    fill(new Stages(), parts.found.stages).found.each { stage ->
        if (result != 'SUCCESS') {
            write("Stage \"${stage.name}\" skipped due to earlier failure(s)\n")
            events << [step: 'skipped', stage: stage.name]
            return
        }
        try {
            runStage(stage)
        } catch (StepFailed failure) {
            result = 'FAILURE'
            write("ERROR: ${failure.message}\n")
        }
    }
    if (parts.found.post) {
        Map post = fill(new Sections('always', 'success', 'failure', 'cleanup'), parts.found.post).found
        ['always', result.toLowerCase(), 'cleanup'].findAll { post[it] }.each { condition ->
            note(step: 'post', condition: condition)
            write("[Pipeline] post (${condition})\n")
            try {
                runSteps(post[condition] as Closure)
            } catch (StepFailed failure) {
                result = 'FAILURE'
                write("Error when executing ${condition} post condition: ${failure.message}\n")
            }
        }
    }
    note(step: 'end', result: result)
    write("Finished: ${result}\n")
}

helper.scriptRoots = [new File(settings.jenkinsfile).parent] as String[]
helper.scriptExtension = ''
helper.baseClassloader = this.class.classLoader
helper.init()
helper.registerAllowedMethod('pipeline', [Closure]) { runPipeline(it) }
helper.registerAllowedMethod('sh', [String]) { sh(it) }
helper.registerAllowedMethod('echo', [String]) { write("${it}\n") }
helper.registerAllowedMethod('checkout', [Object]) { checkout(it) }
helper.registerAllowedMethod('file', [Map]) { it }
helper.registerAllowedMethod('withCredentials', [List, Closure]) { List bindings, Closure body -> withCredentials(bindings, body) }
[console, raw].each { it.text = '' }
String outcome = 'ERROR'
try {
    helper.runScript(helper.loadScript(new File(settings.jenkinsfile).name, new Binding(scm: settings.scm, params: settings.parameters ?: [:])))
    outcome = events.last().result
} finally {
    // The order of calls as JenkinsPipelineUnit saw them.
    List calls = helper.callStack.collect { [name: it.methodName, depth: it.stackDepth] }
    new File(settings.report).text = JsonOutput.toJson([result: outcome, events: events, calls: calls])
}
System.exit(outcome == 'SUCCESS' ? 0 : 1)
