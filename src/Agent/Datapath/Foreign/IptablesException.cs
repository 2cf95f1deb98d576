namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>iptables' rules could not be changed.</summary>
public sealed class IptablesException : Exception
{
    /// <summary>A failure and what to do about it.</summary>
    public IptablesException(string message, string remedy, Exception? inner = null)
        : base(message, inner) => Remedy = remedy;

    /// <summary>What to do, as an imperative.</summary>
    public string Remedy { get; }
}
