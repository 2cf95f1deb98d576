using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>What a rule does with packets that come by.</summary>
internal enum RuleEffect
{
    /// <summary>Drops or rejects them.</summary>
    Drops,

    /// <summary>Hands them to a program.</summary>
    Queues,

    /// <summary>Changes, copies or diverts them.</summary>
    Alters,

    /// <summary>Counts, samples, remembers or reports them, or looks at what differs from packet to packet.</summary>
    SeesEach,

    /// <summary>Looks at the mark of their connection.</summary>
    ReadsMark,

    /// <summary>Marks them.</summary>
    Marks,

    /// <summary>Translates addresses.</summary>
    Translates,
}

/// <summary>A rule that a class of packets can meet, and that does something with them.</summary>
/// <param name="Table">Its table.</param>
/// <param name="Chain">Its chain.</param>
/// <param name="Rule">The rule; null for the policy of the chain.</param>
/// <param name="Effect">What it does.</param>
/// <param name="What">The condition or action, in the words of nft(8).</param>
/// <param name="NamesPort">Whether it asks for the packets' own destination port.</param>
/// <param name="Bits">Of <see cref="RuleEffect.ReadsMark"/>: the bits it looks at.</param>
internal sealed record RuleFinding(FilterTable Table, FilterChain Chain, FilterRule? Rule, RuleEffect Effect, string What, bool NamesPort, uint Bits = 0);
