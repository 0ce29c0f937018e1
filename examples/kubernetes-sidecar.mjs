// Beside a program in a pod: a cache in front of the cluster's DNS that the whole pod can use (`nameserver 127.0.0.1` in its
// dnsConfig), and the endpoints of a service through it. CLUSTER_DNS is the address of kube-dns, SERVICE what to follow.
//
//   CLUSTER_DNS=10.96.0.10 SERVICE=_http._tcp.orders.shop.svc.cluster.local node examples/kubernetes-sidecar.mjs
import { createServer } from 'shardns';
import { discover, DnsClient } from 'shardns/discovery';
import { clusterDns } from './support/cluster-dns.mjs';

const service = process.env.SERVICE ?? '_http._tcp.orders.shop.svc.cluster.local';
/** Without a cluster: a DNS server that answers as CoreDNS does. */
const stand = process.env.CLUSTER_DNS === undefined ? await clusterDns(service, ['10.1.0.1', '10.1.0.2']) : undefined;

const server = await createServer({
  listen: [stand === undefined ? '127.0.0.1:53' : '127.0.0.1:0'],
  upstreams: [stand?.address ?? process.env.CLUSTER_DNS],
  stale: { windowSeconds: 3600 }, // the pod goes on while CoreDNS restarts
  log: { level: 'warn' },
});
const client = new DnsClient({ servers: server.addresses().udp, resolvConf: false, staleSeconds: 0 });
const orders = await discover(service, { client, policy: 'p2c', label: 'orders' });

for await (const { added, removed } of orders) {
  for (const { id, address } of added) console.log('+', id, address);
  for (const { id } of removed) console.log('-', id);
  if (stand === undefined) continue;
  if (removed.length > 0) break;
  stand.pods = ['10.1.0.2', '10.1.0.3']; // a roll-out, seen when the records end
}
orders.close();
client.close();
await server.close();
stand?.close();
