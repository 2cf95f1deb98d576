namespace Accelerated.Agent.State;

/// <summary>
/// The network configuration that etcd holds under <c>&lt;prefix&gt;/config</c>, validated: what is in here can be used as it is.
/// </summary>
/// <param name="IPv4">How the IPv4 overlay is cut up, or null when <c>EnableIPv4</c> is false.</param>
/// <param name="IPv6">How the IPv6 overlay is cut up, or null when <c>EnableIPv6</c> is false.</param>
/// <param name="Backend">How packets travel.</param>
/// <param name="Source">The JSON it was read from.</param>
/// <param name="Warnings">What is accepted but deserves a word, each one sentence naming the key.</param>
public sealed record NetworkConfig(AddressPlan? IPv4, AddressPlan? IPv6, BackendConfig Backend, string Source, IReadOnlyList<string> Warnings);
