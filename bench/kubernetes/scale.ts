/**
 * What a Kubernetes cluster of N nodes asks of its store and keeps in it. The rates and objects are those published of
 * clusters with 100,000 nodes, divided by their nodes; the sizes are those of Kubernetes' protobuf with plausible fields.
 */

export const APISERVERS = 7;

/** Operations a second of 100,000 nodes. What belongs to a pod follows its creation (pods.ts). */
const OF_NODES = 100_000;
export const LEASE_UPDATES = 10_000;
export const NODE_STATUSES = 333;
export const POD_CREATES = 500;
export const GETS = 1_000;
/** Of at most five pages each, 200 pages together. */
export const LISTS = 40;
export const LIST_PAGES_MAX = 5;
export const CONSISTENT_LISTS = 500;

/** @param of100k one of the rates above */
export function perSecond(of100k: number, nodes: number): number {
  return (of100k * nodes) / OF_NODES;
}

export const LEASE_BYTES = 610;
export const NODE_BYTES = 6_362;
/** Every tenth node has fifty images. */
export const LARGE_NODE_BYTES = 17_462;
const LARGE_NODE_EVERY = 10;
export const POD_CREATED_BYTES = 2_386;
export const POD_BOUND_BYTES = 2_468;
export const POD_RUNNING_BYTES = 3_771;
export const EVENT_BYTES = 1_111;
const CONFIGMAP_BYTES = 1_024;
const OTHER_BYTES_MIN = 1_024;
const OTHER_BYTES_MAX = 8_192;

export function nodeBytes(i: number): number {
  return i % LARGE_NODE_EVERY === 0 ? LARGE_NODE_BYTES : NODE_BYTES;
}

/** Most are small: a third of the way from the least to the most in the mean. */
export function otherBytes(i: number): number {
  const share = (i % 97) / 97;
  return Math.round(OTHER_BYTES_MIN + (OTHER_BYTES_MAX - OTHER_BYTES_MIN) * share * share);
}

/** A kind of object: where it lies, how many there are for each node, how large each is when preloaded. */
export interface Resource {
  readonly name: string;
  readonly prefix: string;
  /** What follows the namespace, if there is one, and comes before eight digits that tell one object from another. */
  readonly stem: string;
  readonly suffix: string;
  readonly namespaced: boolean;
  readonly perNode: number;
  /** There are always as many as nodes, however little is preloaded. */
  readonly essential: boolean;
  readonly leased: boolean;
  bytes(i: number): number;
}

const NODE_NAME = { stem: "ip-10-", suffix: ".compute.internal", namespaced: false, essential: true, leased: false };
const NAMESPACED = { suffix: "", namespaced: true, essential: false, leased: false };

export const RESOURCES = {
  leases: {
    ...NODE_NAME,
    name: "leases",
    prefix: "/registry/leases/kube-node-lease/",
    perNode: 1,
    bytes: () => LEASE_BYTES,
  },
  nodes: { ...NODE_NAME, name: "nodes", prefix: "/registry/minions/", perNode: 1, bytes: nodeBytes },
  pods: {
    ...NAMESPACED,
    name: "pods",
    prefix: "/registry/pods/",
    stem: "deployment-7c9f6d5b8-",
    perNode: 9,
    bytes: () => POD_RUNNING_BYTES,
  },
  events: {
    ...NAMESPACED,
    name: "events",
    prefix: "/registry/events/",
    stem: "deployment-7c9f6d5b8-",
    suffix: ".17a2b3c4d5e6f708",
    leased: true,
    perNode: 17,
    bytes: () => EVENT_BYTES,
  },
  endpointslices: {
    ...NAMESPACED,
    name: "endpointslices",
    prefix: "/registry/endpointslices/",
    stem: "service-",
    perNode: 1,
    bytes: otherBytes,
  },
  widgets: {
    ...NAMESPACED,
    name: "widgets",
    prefix: "/registry/example.com/widgets/",
    stem: "widget-",
    perNode: 9,
    bytes: otherBytes,
  },
  configmaps: {
    ...NAMESPACED,
    name: "configmaps",
    prefix: "/registry/configmaps/",
    stem: "configmap-",
    perNode: 1,
    bytes: () => CONFIGMAP_BYTES,
  },
} as const satisfies Record<string, Resource>;

export type ResourceName = keyof typeof RESOURCES;

export const RESOURCE_NAMES = Object.keys(RESOURCES) as readonly ResourceName[]; // It has no other keys.

/** How many objects of a resource there are. */
export function objectsOf(resource: Resource, nodes: number, preload: number): number {
  return Math.ceil(resource.perNode * nodes * (resource.essential ? 1 : preload));
}

const SAMPLE = 970;

/** What a node and what belongs to it takes, in values: of the resources that are always whole, or of the others. */
function bytesPerNode(essential: boolean): number {
  return Object.values<Resource>(RESOURCES)
    .filter((resource) => resource.essential === essential)
    .reduce((sum, { bytes, perNode }) => {
      let sampled = 0;
      for (let i = 0; i < SAMPLE; i++) sampled += bytes(i);
      return sum + (sampled / SAMPLE) * perNode;
    }, 0);
}

/** Even where memory is short there are pods that can go. */
const PRELOAD_MIN = 0.01;

/** The share of the state that fits into `bytesMax`, at most all of it. */
export function preloadFor(nodes: number, bytesMax: number): number {
  const share = (bytesMax / nodes - bytesPerNode(true)) / bytesPerNode(false);
  return Math.min(1, Math.max(PRELOAD_MIN, share));
}

/** Resources that are watched like the others, and of which there are no objects: those of a cluster with many kinds. */
export const IDLE_RESOURCES = 73;

/** What every apiserver watches. */
export function watchedPrefixes(): string[] {
  const idle = Array.from({ length: IDLE_RESOURCES }, (_, i) => `/registry/example.com/kind-${i}/`);
  return [...RESOURCE_NAMES.map((name) => RESOURCES[name].prefix), ...idle];
}
