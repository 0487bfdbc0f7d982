// Runs the role's init.groovy among classes that stand in for Jenkins', with the members that it uses (tests/unit/casc_schema.yml says
// where they were read).
//
// Usage: init.groovy script items.json. Items: name -> {kind: job or folder, description, builds, polled}. After what the script prints,
// a line of JSON: name -> {disabled, polls}.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

def loader = new GroovyClassLoader()
[
    'package hudson.model; interface Item { String getFullName() }',
    """package jenkins.scm; abstract class SCMDecisionHandler {
        static List handlers = []
        static List all() { handlers }
        abstract boolean shouldPoll(hudson.model.Item item)
    }""",
    """package hudson.model; class Folder implements Item { String fullName }""",
    """package hudson.model; class Job implements Item {
        String fullName, description; boolean disabled; Object lastBuild, SCMTrigger
        void makeDisabled(boolean disabled) throws IOException { this.disabled = disabled }
    }""",
    'package jenkins.model; class Jenkins { static Jenkins one = new Jenkins(); static Jenkins get() { one }; List items = [] }',
].each { loader.parseClass(it) }

def items = new JsonSlurper().parse(new File(args[1]), 'UTF-8').collect { name, given ->
    def one = loader.loadClass(given.kind == 'job' ? 'hudson.model.Job' : 'hudson.model.Folder').newInstance()
    one.fullName = name
    if (given.kind == 'job') {
        one.description = given.description
        one.lastBuild = given.builds ? 'build' : null
        one.SCMTrigger = given.polled ? 'trigger' : null
    }
    one
}
loader.loadClass('jenkins.model.Jenkins').get().items.addAll(items)
loader.parseClass(new File(args[0])).newInstance().run()
def handlers = loader.loadClass('jenkins.scm.SCMDecisionHandler').all()
println JsonOutput.toJson(items.findAll { it.class.simpleName == 'Job' }.collectEntries { job ->
    [job.fullName, [disabled: job.disabled, polls: handlers.every { it.shouldPoll(job) }]]
})
