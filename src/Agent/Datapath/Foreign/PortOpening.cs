namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>What is to become of our UDP port in an INPUT chain that refuses it.</summary>
public enum PortOpening
{
    /// <summary>Let in; the guard, which comes first, keeps out who is no peer.</summary>
    Open,

    /// <summary>As it is: at present nobody knows whether the guard will be in force.</summary>
    Keep,

    /// <summary>Not let in: there is no guard, and it would be open to everybody.</summary>
    Unguarded,

    /// <summary>Not let in: the operator does that (<c>--open-port=false</c>).</summary>
    Declined,
}
