// One node of Elasticsearch, made of its own libraries: FOLDER ADDRESS PORT. Its distribution, which starts the same, is in no
// registry of packages.
import java.nio.file.Path
import org.elasticsearch.common.settings.Settings
import org.elasticsearch.env.Environment
import org.elasticsearch.node.Node
import org.elasticsearch.transport.Netty4Plugin

class Server extends Node {
    Server(Environment environment) {
        super(environment, [Netty4Plugin], true)
    }
}

def (folder, address, port) = args.toList()
def settings = Settings.builder()
    .put('cluster.name', 'search')
    .put('node.name', 'search')
    .put('path.home', folder)
    .put('path.data', "$folder/data".toString())
    .put('network.host', address)
    .put('http.port', port)
    .put('transport.port', '0')
    .put('http.type', 'netty4')
    .put('transport.type', 'netty4')
    .put('discovery.type', 'single-node')
    .put('cluster.routing.allocation.disk.threshold_enabled', false)
    .build()
new Server(new Environment(settings, Path.of(folder, 'config'))).start()
Thread.currentThread().join()
