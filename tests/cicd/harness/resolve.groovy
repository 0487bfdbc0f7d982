// What Configuration as Code makes of texts: Apache's StringSubstitutor, set as the plugin's SecretSourceResolver.java sets it at the
// version that is pinned (two passes; the first keeps the escapes, the second takes them away and leaves nothing of what is unknown).
//
// Usage: resolve.groovy texts.json: a list of texts. Prints the list of what they become.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.apache.commons.text.StringSubstitutor
import org.apache.commons.text.lookup.StringLookup

def content = { String path -> new File(path).with { it.isFile() ? it.bytes : null } }
def lookup = { String key ->
    def (String kind, String rest) = key.contains(':') ? key.split(':', 2) as List : ['', key]
    switch (kind) {
        case 'readFile': return content(rest)?.with { new String(it, 'UTF-8') }
        case 'readFileBase64': return content(rest)?.encodeBase64()?.toString()
        case '': return content("/run/secrets/$rest")?.with { new String(it, 'UTF-8').trim() }
        default: return null
    }
}
def substitutor = { StringLookup of, boolean first ->
    new StringSubstitutor(of).setEscapeChar('^' as char).setVariablePrefix('${').setVariableSuffix('}')
        .setEnableSubstitutionInVariables(first).setPreserveEscapes(first)
}
def first = substitutor(lookup as StringLookup, true)
def second = substitutor({ '' } as StringLookup, false)
def resolved = new JsonSlurper().parse(new File(args[0]), 'UTF-8').collect { String text ->
    text.contains('${') ? second.replace(first.replace(text)) : text
}
println JsonOutput.toJson(resolved)
