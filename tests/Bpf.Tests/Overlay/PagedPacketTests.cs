using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>
/// Packets whose bytes beyond the UDP header lie in page fragments, where a program cannot read them at first. BPF_PROG_TEST_RUN makes
/// none (Linux 6.18), so these come over a veth from a socket that sends without copying.
/// </summary>
public sealed partial class PagedPacketTests : IDisposable
{
    private const int SOL_SOCKET = 1;
    private const int SO_ZEROCOPY = 60;
    private const int MSG_ZEROCOPY = 0x4000000;

    private readonly UnderlayNamespace _underlay;
    private readonly string _sender;
    private readonly int _index;

    public PagedPacketTests(UnderlayNamespace underlay)
    {
        _underlay = underlay;
        _sender = $"{underlay.Name}-sender";
        BpfCompiler.Execute("ip", "netns", "add", _sender);
        underlay.Ip($"link add paged0 type veth peer name paged1 netns {_sender}");
        underlay.Ip("link set paged0 up");
        underlay.Ip("address add 198.51.100.1/24 dev paged0");
        BpfCompiler.Execute("ip", "-n", _sender, "link", "set", "paged1", "up");
        BpfCompiler.Execute("ip", "-n", _sender, "address", "add", "198.51.100.2/24", "dev", "paged1");
        _index = underlay.IndexOf("paged0");
    }

    public void Dispose()
    {
        _underlay.Ip("link delete paged0");
        BpfCompiler.Execute("ip", "netns", "delete", _sender);
    }

    [Theory]
    [InlineData("refused_unknown_vtep", false, "10.5.88.2")]
    [InlineData("refused_forged_source", true, "10.5.99.2")]
    public void Forger_WithHeadersInPages_IsRefused(string counter, bool known, string innerSource)
    {
        using var rig = new OverlayRig(_underlay);
        rig.Configure(c => c with { Local = OverlayAddress.From(IPAddress.Parse("198.51.100.1")) });
        if (known)
            rig.AddVtep(IPAddress.Parse("198.51.100.2"));
        using var link = _underlay.Invoke(() => BpfLink.AttachTcx(rig.Ingress, _index, TcxHook.Ingress));

        var inner = Nodes.Inner(Nodes.Two, Nodes.One)
            .Around((Nodes.InnerIp(Nodes.Two, Nodes.One) with { Source = IPAddress.Parse(innerSource) }).Around(Transport.UdpDatagram(Transport.Payload(500))));
        byte[] payload = [8, 0, 0, 0, 0, 0, (byte)Nodes.Vni, 0, .. inner];
        _underlay.Invoke(() =>
        {
            // Where what was refused does not arrive, and a datagram sent after it does.
            using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 10_000 };
            receiver.Bind(new IPEndPoint(IPAddress.Any, Nodes.Port));
            NetworkNamespace.Invoke($"/run/netns/{_sender}", () => Send(payload));
            var buffer = new byte[2000];
            Assert.Equal("last"u8, buffer.AsSpan(0, receiver.Receive(buffer)));
        });

        // The last one is too short to be VXLAN, and not in pages.
        rig.ExpectCounters($"in {counter}=1", "in passed_truncated=1");
    }

    private static void Send(byte[] payload)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(new IPEndPoint(IPAddress.Parse("198.51.100.1"), Nodes.Port));
        var on = 1;
        Assert.Equal(0, setsockopt((int)socket.Handle, SOL_SOCKET, SO_ZEROCOPY, ref on, sizeof(int)));
        Assert.Equal(payload.Length, send((int)socket.Handle, payload, (nuint)payload.Length, MSG_ZEROCOPY));
        Assert.Equal(4, socket.Send("last"u8));
    }

    [LibraryImport("libc")]
    private static partial int setsockopt(int fd, int level, int name, ref int value, uint length);

    [LibraryImport("libc")]
    private static partial nint send(int fd, byte[] data, nuint length, int flags);
}
