namespace Accelerated.Interop.Netfilter;

/// <summary>A condition or action of which only its nature is known.</summary>
/// <param name="Name">In the words of nft(8) or iptables-extensions(8): <c>limit</c>, <c>ip ttl</c>, <c>-m recent</c>, <c>-j LOG</c>.</param>
/// <param name="Nature">What it depends on and does.</param>
public sealed record OpaqueStep(string Name, StepNature Nature) : RuleStep;
