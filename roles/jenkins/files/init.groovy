// Written by Ansible (role jenkins): changes made here are lost.
// Jenkins runs it at the end of each start, when its jobs are loaded; Configuration as Code runs before that, and never takes a job away.
// jobs.json: {jobs: names of the jobs that the inventory has, first_build: whether a poll may start the first build of one}.
import groovy.json.JsonSlurper
import hudson.model.Item
import hudson.model.Job
import jenkins.model.Jenkins
import jenkins.scm.SCMDecisionHandler

class FirstBuildIsAskedFor extends SCMDecisionHandler {
    Set<String> jobs

    // Without a build to compare with, a poll would always find changes. A webhook does not ask here: a push is a push.
    boolean shouldPoll(Item item) {
        !(item.fullName in jobs) || item.lastBuild != null
    }

    String toString() {
        'the inventory (jenkins_first_build_enabled): the first build is started by a webhook or by a person'
    }
}

def tell = { String text -> println "[fungap] $text" }
def wanted = new JsonSlurper().parse(new File(new File(System.getenv('CASC_JENKINS_CONFIG')).parentFile, 'jobs.json'), 'UTF-8')
def names = wanted.jobs as Set
// The name is a part of the mark: a copy, or a job under another name, is somebody's own.
def (ours, others) = Jenkins.get().items.findAll { !(it.fullName in names) }
    .split { it instanceof Job && it.description?.endsWith("Made by Ansible (role jenkins) as ${it.fullName}.") }

ours.each {
    it.makeDisabled(true)
    tell "${it.fullName}: the inventory does not have this job any more. It is disabled; its builds are kept until it is deleted."
}
if (others) tell "Not made from the inventory, and left as they are: ${others*.fullName.sort().join(', ')}"
if (!wanted.first_build) {
    def handler = new FirstBuildIsAskedFor(jobs: names)
    SCMDecisionHandler.all().add(handler)
    def waiting = Jenkins.get().items.findAll { it.fullName in names && it.SCMTrigger && it.lastBuild == null }
    if (waiting) tell "Never built, and not built by polling either: ${waiting*.fullName.sort().join(', ')}. Start the first build, or push with a webhook."
}
tell "${names.size()} jobs are as the inventory has them"
